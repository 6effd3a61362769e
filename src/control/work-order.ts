import { type Checkpoint, checkpointPrefix, type FileEntry } from '../artifacts/checkpoint.ts'
import { reachAt, ServePlan } from '../notebooks/serve-plan.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import { type Admitted, answerTo, type SessionGate } from '../rotation/session-gate.ts'
import type { AdapterBook } from './adapter-book.ts'
import type { BaseDesk } from './base-desk.ts'
import type { CheckpointBook } from './checkpoint-book.ts'
import { type Carried, orderEntry, type Ways } from './ways.ts'

export interface WorkOrderPorts {
  readonly gate: Pick<SessionGate, 'noteResume'>
  readonly checkpoints: CheckpointBook
  readonly adapters: AdapterBook
  /** Where the base is found that sessions cannot fetch by themselves. */
  readonly bases: Pick<BaseDesk, 'order'>
  /** How bytes of the artifact store travel. */
  readonly ways: Ways
  /** How bytes of the data sets travel. */
  readonly dataWays: Pick<Ways, 'downloads'>
  /** The two files of a data set version, with the keys under which they are fetched. */
  readonly dataFiles: (version: string) => Promise<DataFile[]>
  readonly now: () => Date
}

export interface DataFile extends Carried {
  readonly rows: number
}

/** What a session is to do, from where, with what; docs/session-protocol.md has its form. */
export async function workOrder(ports: WorkOrderPorts, { session, run }: Admitted) {
  const answer = answerTo(session, run, true, ports.now())
  return {
    protocol: 1,
    run: { id: run.id, name: run.name, targetSteps: run.targetSteps },
    session: {
      id: session.id,
      generation: session.generation,
      account: session.account,
      provider: session.provider,
    },
    secondsLeft: answer.secondsLeft,
    heartbeatSeconds: session.heartbeatSeconds,
    engine: run.engine,
    plan: run.serving ? servedPlan(run, session) : run.plan,
    options: {
      saveSeconds: run.options.saveSeconds,
      saveSteps: run.options.saveSteps,
      logSteps: run.options.logSteps,
      stepSeconds: run.options.stepSeconds,
      keepLocal: run.options.keepLocal,
      sessionSteps: run.options.sessionSteps,
      rowsAtOnce: run.options.rowsAtOnce,
    },
    // A session that serves neither trains nor goes on from anything.
    data: run.serving ? null : await dataOf(ports, run, session),
    base: await ports.bases.order(session.id, run.plan),
    adapter: await adapterOf(ports, run, session),
    ...(run.serving ? { resume: null, earlier: [] } : await resumePoints(ports, run, session)),
  }
}

export type WorkOrder = Awaited<ReturnType<typeof workOrder>>

async function dataOf(ports: WorkOrderPorts, run: Run, session: Session) {
  const files = await ports.dataFiles(run.datasetVersion)
  const ways = await ports.dataWays.downloads(session.id, files)
  return {
    version: run.datasetVersion,
    files: files.map((file, index) => ({ ...orderEntry(file, ways[index]), rows: file.rows })),
  }
}

/** A policy's plan, with how this session is reached. */
function servedPlan(run: Run, { provider }: Session) {
  const plan = ServePlan.parse(run.plan)
  return { ...plan, reach: reachAt(plan, provider) }
}

/** The adapter that is served, or that the first step begins with where the plan names one. */
async function adapterOf(ports: WorkOrderPorts, run: Run, session: Session) {
  const sha256 = run.serving ? ServePlan.parse(run.plan).adapter : run.plan.fromAdapter
  if (typeof sha256 !== 'string') return null
  const { prefix, files } = await ports.adapters.files(sha256)
  return { sha256, files: await fromStore(ports, session, prefix, files) }
}

/** So many checkpoints before the furthest one are offered too, for a reader to whom that one does not come whole. */
const earlierOffered = 1

/** The furthest committed checkpoint whose files are whole, and what stands before it; a damaged one is skipped and told. */
async function resumePoints(ports: WorkOrderPorts, run: Run, session: Session) {
  const committed = await ports.checkpoints.committed(run.id)
  for (const [index, checkpoint] of committed.entries()) {
    const files = await ports.checkpoints.wholeFiles(checkpoint)
    if (!files) {
      await ports.checkpoints.markDamaged(checkpoint)
      continue
    }
    await ports.gate.noteResume(session.id, checkpoint.step)
    const earlier: ResumePoint[] = []
    for (const before of committed.slice(index + 1)) {
      if (earlier.length === earlierOffered) break
      if (before.step === checkpoint.step) continue
      const listed = await ports.checkpoints.listedFiles(before) // its reader looks at the bytes
      if (listed) earlier.push(await resumePoint(ports, session, before, listed))
    }
    return { resume: await resumePoint(ports, session, checkpoint, files), earlier }
  }
  await ports.gate.noteResume(session.id, 0)
  return { resume: null, earlier: [] }
}

type ResumePoint = Awaited<ReturnType<typeof resumePoint>>

/** A checkpoint as a work order names it, with an address for each file. */
async function resumePoint(
  ports: WorkOrderPorts,
  session: Session,
  { runId, step, generation, manifestSha256 }: Checkpoint,
  files: readonly FileEntry[],
) {
  const prefix = checkpointPrefix(runId, step, generation)
  return {
    step,
    generation,
    manifestSha256,
    files: await fromStore(ports, session, prefix, files),
  }
}

/** Files of the artifact store as a work order names them. */
async function fromStore(
  { ways }: WorkOrderPorts,
  session: Session,
  prefix: string,
  files: readonly FileEntry[],
) {
  const carried = files.map((file) => ({ ...file, path: `store/${prefix}/${file.name}` }))
  const found = await ways.downloads(session.id, carried)
  return carried.map((file, index) => orderEntry(file, found[index]))
}
