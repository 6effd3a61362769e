import { checkpointPrefix } from '../artifacts/checkpoint.ts'
import { AppError } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import {
  type Admitted,
  type Answer,
  answerTo,
  type Heartbeat,
  type Report,
  type SessionGate,
} from '../rotation/session-gate.ts'
import type { CheckpointBook } from './checkpoint-book.ts'
import type { Carried, DownloadWay, Ways } from './ways.ts'

export interface DeskPorts {
  readonly gate: SessionGate
  readonly checkpoints: CheckpointBook
  /** How bytes of the artifact store travel. */
  readonly ways: Ways
  /** How bytes of the data sets travel. */
  readonly dataWays: Ways
  /** The two files of a data set version, with the keys under which they are fetched. */
  readonly dataFiles: (version: string) => Promise<DataFile[]>
  readonly now: () => Date
}

export interface DataFile extends Carried {
  readonly rows: number
}

/** The front desk of the session protocol: tickets in, work orders out, heartbeats answered, reports taken. */
export function sessionDesk(ports: DeskPorts) {
  const { gate } = ports

  /** @throws AppError `unauthorized` (`token_unknown`) for a token that was never issued */
  async function known(token: string): Promise<Admitted> {
    const admitted = await gate.admitted(sha256Hex(token))
    if (admitted) return admitted
    throw new AppError('unauthorized', 'this session token was not issued here', {
      code: 'token_unknown',
      next: 'Enrol with the ticket of the notebook',
    })
  }

  /** @throws AppError as `known`, or `conflict` (`fenced`) when another generation has the run */
  async function live(token: string): Promise<Admitted> {
    const admitted = await known(token)
    if (admitted.current) return admitted
    const { session, run } = admitted
    const why = answerTo(session, run, false, ports.now()).reason
    throw new AppError('conflict', `this session may not write any more: ${why}`, {
      code: 'fenced',
      next: 'End it; the run goes on elsewhere',
    })
  }

  async function orderFor({ session, run }: Admitted) {
    const answer = answerTo(session, run, true, ports.now())
    const files = await ports.dataFiles(run.datasetVersion)
    const ways = await ports.dataWays.downloads(session.id, files)
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
      plan: run.plan,
      options: {
        saveSeconds: run.options.saveSeconds,
        saveSteps: run.options.saveSteps,
        logSteps: run.options.logSteps,
        stepSeconds: run.options.stepSeconds,
        keepLocal: run.options.keepLocal,
      },
      data: {
        version: run.datasetVersion,
        files: files.map((file, index) => ({ ...entry(file, ways[index]), rows: file.rows })),
      },
      resume: await resumePoint(run, session),
    }
  }

  /** The furthest committed checkpoint whose files are whole; a damaged one is skipped and told. */
  async function resumePoint(run: Run, session: Session) {
    for (const checkpoint of await ports.checkpoints.committed(run.id)) {
      const files = await ports.checkpoints.wholeFiles(checkpoint)
      if (!files) {
        await ports.checkpoints.markDamaged(checkpoint)
        continue
      }
      await gate.noteResume(session.id, checkpoint.step)
      const prefix = checkpointPrefix(run.id, checkpoint.step, checkpoint.generation)
      const carried = files.map((file) => ({ ...file, path: `store/${prefix}/${file.name}` }))
      const ways = await ports.ways.downloads(session.id, carried)
      return {
        step: checkpoint.step,
        generation: checkpoint.generation,
        manifestSha256: checkpoint.manifestSha256,
        files: carried.map((file, index) => entry(file, ways[index])),
      }
    }
    await gate.noteResume(session.id, 0)
    return null
  }

  return {
    known,
    live,
    /** Exchanges a ticket for a session token and the work order. */
    async enrol(ticket: string, nonce: string) {
      const sessionToken = newSecret('rzs')
      const admitted = await gate.enrol({
        ticket: sha256Hex(ticket),
        nonce: sha256Hex(nonce),
        token: sha256Hex(sessionToken),
      })
      return { sessionToken, workOrder: await orderFor(admitted) }
    },
    workOrder: async (token: string) => orderFor(await live(token)),
    /** Every known token gets an answer; one whose session is over is told `fenced`. */
    async heartbeat(token: string, beat: Heartbeat): Promise<Answer> {
      const { session } = await known(token)
      return gate.heartbeat(session.id, beat)
    },
    async report(token: string, report: Report): Promise<void> {
      const { session } = await known(token)
      await gate.report(session.id, report)
    },
  }
}

/** A file as a work order names it. */
function entry({ name, bytes, sha256 }: Carried, way: DownloadWay | undefined) {
  if (!way) throw new AppError('internal', `no way was found for ${name}`)
  const { url, headers } = way
  const own = Object.keys(headers).length > 0 ? { headers } : {}
  return { name, url, ...own, bytes, sha256 }
}

export type SessionDesk = ReturnType<typeof sessionDesk>
