import { Manifest } from '../artifacts/checkpoint.ts'
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
  /** Slots whose content was refused, which no second look will change. */
  const refused = new Set<string>()

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
    const lines = readSealedLog(await provider.logTail(account, session.name, logChars))
    const last = read.get(session.id) ?? 0
    for (const line of lines) if (line.n > last) await hear(session, line)
    const newest = lines.at(-1)
    if (newest) read.set(session.id, newest.n)
    const filled = new Set(newest?.filled ?? [])
    if (filled.size > 0) await take(session, (slot) => filled.has(slot.number))
    const report = lines.find((line) => line.kind === 'report')
    if (report) await settle(session, report)
    return (await gate.session(session.id)).session
  }

  async function hear(session: Session, line: SealedLine): Promise<void> {
    if (line.kind === 'beat') {
      await gate.begin(session.id, line.secondsLeft)
      await gate.heartbeat(session, line)
    }
    if (line.kind === 'full' && (await ports.checkpoints.makeRoom(session.runId)) === 0) {
      ports.full(line.bytes)
    }
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

  /** Makes checkpoints of what came to these slots. */
  async function take(session: Session, wanted: (slot: Slot) => boolean): Promise<void> {
    for (const slot of await slots.of(session.id)) {
      const id = `${slot.sessionId}/${slot.number}`
      if (slot.taken || refused.has(id) || !wanted(slot)) continue
      try {
        await accept(await gate.session(session.id), slot)
      } catch (error) {
        // What the store could not be asked is asked again; what it holds and is not right stays so.
        if (!(error instanceof AppError) || error.kind !== 'invalid') throw error
        refused.add(id)
        ports.trouble(error, { runId: session.runId, sessionId: session.id })
      }
    }
  }

  async function accept(admitted: Admitted, slot: Slot): Promise<void> {
    const { session, run, current } = admitted
    if (!current) return
    const text = await slots.manifest(slot)
    if (text === undefined) return
    const sha256 = sha256Hex(text)
    const files = filesOf(text)
    const upload = await gate.openUpload({
      sessionId: session.id,
      runId: run.id,
      generation: session.generation,
      kind: slot.kind,
      step: files.step,
      files: files.files,
    })
    const manifest = { bytes: Buffer.byteLength(text), sha256 }
    if (!(await slots.settle(slot, prefixOf(upload, run.engine), upload.files, manifest))) {
      throw new AppError(
        'invalid',
        `a file of the ${slot.kind} of step ${upload.step} is not whole`,
      )
    }
    await acceptUpload(ports, admitted, upload, text, sha256)
    await slots.markTaken(slot)
    await ports.checkpoints.prune(run.id)
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

/** What a manifest says of itself; whether it is the right one is for the acceptance to say. */
function filesOf(text: string): Pick<Manifest, 'step' | 'files'> {
  try {
    return Manifest.parse(JSON.parse(text))
  } catch (error) {
    throw new AppError('invalid', 'a manifest cannot be read', { cause: error })
  }
}
