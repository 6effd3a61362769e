import { Manifest, readManifest } from '../artifacts/checkpoint.ts'
import type { Slot, Slots } from '../artifacts/slots.ts'
import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import type { Run } from '../rotation/run.ts'
import type { SealedSessions } from '../rotation/sealed-sessions.ts'
import type { Session } from '../rotation/session.ts'
import type { Admitted } from '../rotation/session-gate.ts'
import { readSealedLog, type SealedLine } from './sealed-log.ts'
import { acceptUpload, prefixOf, type UploadPorts } from './upload-desk.ts'
import { type WorkOrderPorts, workOrder } from './work-order.ts'

export interface SealedPorts
  extends Omit<WorkOrderPorts, 'gate'>,
    Pick<UploadPorts, 'gate' | 'artifacts' | 'full'> {
  readonly slots: Slots
  /** Told of what cannot be accepted. */
  readonly trouble: (error: unknown, about: { runId: string; sessionId: string }) => void
}

/** So much of a log's end is read at each look: hours of heartbeats. */
const logChars = 65_536

/** More slots than this are not opened: then checkpoints travel less often than they are made. */
const mostCheckpoints = 24

/** Files of one checkpoint at most, by engine; one of the trainer's holds about a dozen. */
const slotFiles: Readonly<Record<string, number>> = { dry: 6, trl: 16 }

/** The desk for sessions without a way back: their orders are written in advance, and their logs are read. */
export function sealedDesk(ports: SealedPorts) {
  const { gate, slots } = ports
  /** The last line of each session that was taken in; lost at a restart, when the lines are read once more. */
  const read = new Map<string, number>()
  /** Slots that were told of once: what came to them was refused for good, or is not whole yet. */
  const refused = new Set<string>()
  const incomplete = new Set<string>()

  /**
   * The work order that a notebook brings along, as JSON, with addresses for its checkpoints. What it fetches with is good for an
   * hour.
   */
  async function order(run: Run, session: Session): Promise<string> {
    const { plannedSeconds } = session
    const made = await workOrder(ports, await gate.session(session.id))
    const wanted = Math.ceil(plannedSeconds / run.options.saveSeconds) + 1
    const opened = await slots.open(session, {
      checkpoints: Math.max(2, Math.min(mostCheckpoints, wanted)),
      files: slotFiles[run.engine] ?? 16,
    })
    // The cap runs from the machine's start, this figure from the notebook's: until then the image was fetched and begun.
    const secondsLeft = plannedSeconds - Math.min(300, 0.05 * plannedSeconds)
    return JSON.stringify({ ...made, secondsLeft, slots: opened })
  }

  const follow: SealedSessions['follow'] = async (session, account, provider) => {
    const before = await gate.session(session.id)
    // What is fenced off may say what it likes.
    if (!before.current) return before.session
    const lines = readSealedLog(await provider.logTail(account, session.name, logChars))
    const newest = lines.at(-1)
    if (!newest) return before.session
    const beat = lines.findLast((line) => line.kind === 'beat')
    if (beat) await gate.begin(session.id, beat.secondsLeft)
    for (const line of lines) {
      if (line.n <= (read.get(session.id) ?? 0)) continue
      await hear(session, line, newest)
      read.set(session.id, line.n)
    }
    const report = lines.find((line) => line.kind === 'report')
    // It may have stored more than it knew of, when the store's answer was lost: after its last word nobody looks again.
    const filled = new Set(newest.filled)
    if (report || filled.size > 0)
      await take(session, ({ number }) => !!report || filled.has(number))
    if (report) await settle(session, report)
    return (await gate.session(session.id)).session
  }

  async function hear(session: Session, line: SealedLine, newest: SealedLine): Promise<void> {
    if (line.kind === 'beat') await gate.heartbeat(session, line)
    // A store that has taken something since is not full any more.
    const isFull = line.kind === 'full' && newest.filled.length <= line.filled.length
    if (isFull && (await ports.checkpoints.makeRoom(session.runId)) === 0) ports.full(line.bytes)
  }

  /** Its own word on how it ended. One that calls itself finished without all that it takes has merely stopped. */
  async function settle(
    session: Session,
    report: Extract<SealedLine, { kind: 'report' }>,
  ): Promise<void> {
    await gate.begin(session.id, 0)
    try {
      await gate.report(session, report)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'incomplete') throw error
      await gate.report(session, { ...report, outcome: 'limit' })
    }
  }

  /** Makes checkpoints of what came to these slots. What the store could not be asked is asked again. */
  async function take(session: Session, wanted: (slot: Slot) => boolean): Promise<void> {
    for (const slot of await slots.of(session.id)) {
      if (slot.taken || refused.has(idOf(slot)) || !wanted(slot)) continue
      const admitted = await gate.session(session.id)
      if (!admitted.current) return
      const text = await slots.manifest(slot)
      if (text !== undefined) await accept(admitted, slot, text)
    }
  }

  async function accept(admitted: Admitted, slot: Slot, text: string): Promise<void> {
    const { session, run } = admitted
    const about = { runId: run.id, sessionId: session.id }
    const sha256 = sha256Hex(text)
    let claim: Claim
    try {
      claim = readClaim(text, slot, admitted, await standing(admitted))
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'invalid') throw error
      refused.add(idOf(slot))
      ports.trouble(error, about)
      return
    }
    if (claim.stands) {
      await slots.markTaken(slot)
      return
    }
    const { kind } = slot
    const { step, files } = claim
    const { generation } = session
    const upload = await gate.openUpload({ ...about, generation, kind, step, files })
    const manifest = { bytes: Buffer.byteLength(text), sha256 }
    if (!(await slots.settle(slot, prefixOf(upload, run.engine), files, manifest))) {
      if (incomplete.has(idOf(slot))) return
      incomplete.add(idOf(slot))
      ports.trouble(
        new AppError('invalid', `a file of the ${kind} of step ${step} is not whole`),
        about,
      )
      return
    }
    await acceptUpload(ports, admitted, upload, text, sha256)
    await slots.markTaken(slot)
    await ports.checkpoints.prune(run.id)
  }

  /** Hashes of the manifests that this session's checkpoints stand by, by their step; those let go since are among them. */
  async function standing({ session, run }: Admitted): Promise<ReadonlyMap<number, string>> {
    const all = await ports.checkpoints.all(run.id)
    return new Map(
      all
        .filter(({ generation }) => generation === session.generation)
        .map(({ step, manifestSha256 }) => [step, manifestSha256]),
    )
  }

  return {
    order,
    follow,
    collect: (session) => take(session, () => true),
    sweep: () => slots.sweep(),
  } satisfies SealedSessions & {
    order: (run: Run, session: Session) => Promise<string>
    sweep: () => Promise<void>
  }
}

export type SealedDesk = ReturnType<typeof sealedDesk>

const idOf = ({ sessionId, number }: Slot): string => `${sessionId}/${number}`

/** What a slot's manifest announces, and whether it is a checkpoint that stands by this very manifest already. */
type Claim = Pick<Manifest, 'step' | 'files'> & { readonly stands: boolean }

/**
 * A manifest held against its session and run, before a file is touched: one that lies must not reach what stands.
 * @throws AppError `invalid` that says what does not agree
 */
function readClaim(
  text: string,
  slot: Slot,
  { session, run }: Admitted,
  standing: ReadonlyMap<number, string>,
): Claim {
  const { step, files } = saidBy(text)
  const sha256 = sha256Hex(text)
  readManifest(text, sha256, {
    kind: slot.kind,
    runId: run.id,
    sessionId: session.id,
    generation: session.generation,
    step,
    plan: run.plan,
    files,
  })
  if (step > run.targetSteps) {
    throw new AppError('invalid', `step ${step} lies beyond the run's ${run.targetSteps}`)
  }
  const before = slot.kind === 'checkpoint' ? standing.get(step) : undefined
  if (before !== undefined && before !== sha256) {
    throw new AppError('invalid', `another checkpoint of step ${step} stands already`)
  }
  return { step, files, stands: before !== undefined }
}

/** What a manifest says of itself; whether that is right is not asked here. */
function saidBy(text: string): Pick<Manifest, 'step' | 'files'> {
  try {
    return Manifest.parse(JSON.parse(text))
  } catch (error) {
    throw new AppError('invalid', 'a manifest cannot be read', { cause: error })
  }
}
