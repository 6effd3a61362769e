import { addSeconds, iso } from '../../lib/clock.ts'
import { type Cargo, createMachines, type StayEnd } from '../machines.ts'
import type { Mount, PythonFor } from '../notebook-process.ts'
import type { Preemptions } from '../preemptions.ts'
import { toRunnable } from './notebook-text.ts'
import type { KaggleSettings } from './options.ts'
import { isLive } from './quota.ts'
import type { Kernel, Session, SessionState, StateFile } from './state.ts'

/** What is known about a session whose process is gone and left no word. */
const LOST = 'The session ended without a word: its worker was lost.'

export interface SessionsOptions {
  readonly file: StateFile
  readonly settings: KaggleSettings
  readonly now: () => Date
  readonly pythonPath: string
  readonly pythonFor: PythonFor | undefined
  readonly runnerPath: string
  readonly programs: string | undefined
  readonly preemptions: Preemptions
  readonly mountsOf: (kernel: Kernel) => readonly Mount[]
}

/** The sessions of pushed notebooks: queued for a while, run, and ended in the service's own words. */
export function createSessions(options: SessionsOptions) {
  const { file, settings, now, preemptions, pythonPath, runnerPath } = options
  const live = (): Session[] => file.state.sessions.filter(isLive)

  const cargoOf = (session: Session): Cargo => {
    const kernel = file.state.kernels.find(({ id }) => id === session.kernelId)
    if (!kernel) return { kind: 'broken', reason: null }
    const source = toRunnable(file.sourcePath(kernel.id, session.version), kernel)
    return source.kind === 'broken' ? source : { ...source, mounts: options.mountsOf(kernel) }
  }

  /** Endings that somebody ordered, in the words that were given for them. */
  const ordered = new Map<number, { state: SessionState; message: string }>()

  const machines = createMachines<Session>({
    now,
    clockOffsetSeconds: () => file.state.clockOffsetSeconds,
    pythonPath,
    pythonFor: options.pythonFor,
    runnerPath,
    environment: { KAGGLE_KERNEL_RUN_TYPE: 'Batch' },
    programs: options.programs,
    preemptions,
    live,
    isDue: (session) => now() >= new Date(session.dueAt),
    dirOf: (session) => file.sessionDir(session.id),
    cargoOf,
    started: (session) => {
      session.state = 'RUNNING'
    },
    ended: (session, end) => {
      const { state, message } = ordered.get(session.id) ?? inTheirWords(session, end)
      session.state = state
      session.failureMessage = message
    },
    save: file.save,
  })

  const order = (session: Session, state: SessionState, message: string): void => {
    ordered.set(session.id, { state, message })
    machines.end(session, { kind: 'lost', signal: null })
    ordered.delete(session.id)
  }

  return {
    queue: (kernel: Kernel, timeoutSeconds: number | undefined): Session => {
      const wait = settings.queueSeconds * (0.5 + file.draw()) // between half and one and a half of the usual
      const session: Session = {
        id: file.nextId(),
        kernelId: kernel.id,
        owner: kernel.owner,
        slug: kernel.slug,
        version: kernel.currentVersionNumber,
        gpu: kernel.enableGpu,
        state: 'QUEUED',
        failureMessage: null,
        queuedAt: iso(now()),
        dueAt: iso(addSeconds(now(), wait)),
        limitSeconds: Math.min(timeoutSeconds ?? Number.MAX_VALUE, settings.sessionCapSeconds),
        startedAt: null,
        endedAt: null,
        pid: null,
        processStartedAt: null,
      }
      file.state.sessions.push(session)
      file.save()
      return session
    },
    cancel: (session: Session, message: string): void =>
      order(session, 'CANCEL_ACKNOWLEDGED', message),
    timelineOf: machines.timelineOf,
    endAll: (message: string): void => {
      for (const session of live()) order(session, 'ERROR', message)
    },
    stop: machines.stop,
  }
}

export type Sessions = ReturnType<typeof createSessions>

function inTheirWords(
  session: Session,
  end: StayEnd,
): { state: SessionState; message: string | null } {
  switch (end.kind) {
    case 'done':
      return { state: 'COMPLETE', message: null }
    case 'failed':
      return { state: 'ERROR', message: end.message }
    case 'limit': {
      const message = `Your notebook was stopped because it ran longer than ${session.limitSeconds} seconds.`
      return { state: 'CANCEL_ACKNOWLEDGED', message }
    }
    case 'lost':
      return { state: 'ERROR', message: end.signal ? `${LOST} (${end.signal})` : LOST }
  }
}
