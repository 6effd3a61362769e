import type { ChildProcess } from 'node:child_process'
import { addSeconds, iso, secondsBetween } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import {
  findProcess,
  isSameProcessAlive,
  killGroup,
  processStartedAt,
} from '../../lib/processes.ts'
import { launch, type Mount, readEnding, sessionPaths } from './launch.ts'
import { toRunnable } from './notebook-text.ts'
import type { KaggleSettings } from './options.ts'
import type { Preemptions } from './preemptions.ts'
import { isLive } from './quota.ts'
import { createTimeline, type LineReader, lineReader, type Timeline } from './session-log.ts'
import type { Kernel, Session, SessionState, StateFile } from './state.ts'

/** How often sessions are looked at: their queue, their limit, their output, a kill that was ordered. */
const TICK_MS = 100
/** What is known about a session whose process is gone and left no word. */
const LOST = 'The session ended without a word: its worker was lost.'

export interface SessionsOptions {
  readonly file: StateFile
  readonly settings: KaggleSettings
  readonly now: () => Date
  readonly pythonPath: string
  readonly runnerPath: string
  readonly preemptions: Preemptions
  readonly mountsOf: (kernel: Kernel) => readonly Mount[]
}

interface Watch {
  readonly lines: LineReader
  readonly timeline: Timeline
  child: ChildProcess | null
}

/** The machines: starts queued sessions, ends them at their limit, and knows how each one ended. */
export function createSessions(options: SessionsOptions) {
  const { file, settings, now, preemptions } = options
  const watches = new Map<number, Watch>()

  let stopped = false
  /** After a stop the next emulator of this folder keeps the books. */
  const isOurs = (session: Session): boolean => !stopped && isLive(session)

  const watchOf = (session: Session): Watch => {
    const known = watches.get(session.id)
    if (known) return known
    const path = sessionPaths(file.sessionDir(session.id)).log
    const watch = { lines: lineReader(path), timeline: createTimeline(), child: null }
    watches.set(session.id, watch)
    return watch
  }

  const isAlive = (session: Session): boolean => {
    const child = watches.get(session.id)?.child
    if (child) return child.exitCode === null && child.signalCode === null
    const { pid, processStartedAt: started } = session
    return pid !== null && started !== null && isSameProcessAlive(pid, started)
  }

  const finish = (
    session: Session,
    state: SessionState,
    message: string | null,
    at: Date = now(),
  ): void => {
    observe(session, true)
    session.state = state
    session.failureMessage = message
    session.endedAt = iso(at)
    preemptions.ended(session)
    file.save()
  }

  /** Ends what is left of a session's group, unless its number has become somebody else's. */
  const endGroup = (session: Session): void => {
    if (session.pid === null) return
    if (isAlive(session) || processStartedAt(session.pid) === null) killGroup(session.pid)
  }

  const end = (session: Session, state: SessionState, message: string): void => {
    endGroup(session)
    finish(session, state, message)
  }

  const start = (session: Session): void => {
    const kernel = file.state.kernels.find(({ id }) => id === session.kernelId)
    const source = kernel && toRunnable(file.sourcePath(kernel.id, session.version), kernel)
    session.state = 'RUNNING'
    session.startedAt = iso(now())
    if (!kernel || source?.kind !== 'notebook') {
      finish(session, 'ERROR', source?.kind === 'broken' ? source.reason : LOST)
      return
    }
    file.save()
    let child: ChildProcess
    try {
      child = launch({
        dir: file.sessionDir(session.id),
        source: source.text,
        mounts: options.mountsOf(kernel),
        pythonPath: options.pythonPath,
        runnerPath: options.runnerPath,
      })
    } catch (error) {
      finish(session, 'ERROR', messageOf(error)) // no room on the disk, no more processes
      return
    }
    watchOf(session).child = child
    child.once('error', (error) => {
      if (isOurs(session)) finish(session, 'ERROR', messageOf(error))
    })
    child.once('exit', () => {
      if (isOurs(session)) settle(session, child.signalCode)
    })
    session.pid = child.pid ?? null
    session.processStartedAt = child.pid === undefined ? null : processStartedAt(child.pid)
    preemptions.started(session, now())
    file.save()
  }

  /** Books the end of a session whose process has ended by itself. */
  const settle = (session: Session, signal: string | null): void => {
    endGroup(session) // what the notebook started and left behind ends with it
    const ending = readEnding(file.sessionDir(session.id))
    if (ending === null) {
      finish(session, 'ERROR', signal ? `${LOST} (${signal})` : LOST)
      return
    }
    const { clockOffsetSeconds } = file.state
    const told = ending.endedAt && addSeconds(ending.endedAt, clockOffsetSeconds)
    const isPlausible = told && told >= new Date(session.startedAt ?? 0) && told <= now()
    const at = isPlausible ? told : now()
    if (ending.code === 0) finish(session, 'COMPLETE', null, at)
    else finish(session, 'ERROR', ending.error ?? `exit status ${ending.code}`, at)
  }

  const observe = (session: Session, atEnd: boolean): void => {
    if (session.startedAt === null) return
    const { lines, timeline } = watchOf(session)
    const printed = lines.next(atEnd)
    timeline.note(printed.length, secondsBetween(new Date(session.startedAt), now()))
    preemptions.printed(session, printed, now())
  }

  const look = (session: Session): void => {
    if (session.state === 'QUEUED') {
      if (now() >= new Date(session.dueAt)) start(session)
      return
    }
    observe(session, false)
    const age = secondsBetween(new Date(session.startedAt ?? session.queuedAt), now())
    if (!isAlive(session)) settle(session, null)
    else if (age >= session.limitSeconds)
      end(
        session,
        'CANCEL_ACKNOWLEDGED',
        `Your notebook was stopped because it ran longer than ${session.limitSeconds} seconds.`,
      )
    else if (preemptions.isDue(session, now())) end(session, 'ERROR', LOST)
  }

  /** A session that was started in the very moment in which we were killed: its process is found by its exit file. */
  const adopt = (session: Session): void => {
    if (session.state !== 'RUNNING' || session.pid !== null) return
    session.pid = findProcess(sessionPaths(file.sessionDir(session.id)).exit)
    session.processStartedAt = session.pid === null ? null : processStartedAt(session.pid)
    file.save()
  }

  const live = (): Session[] => file.state.sessions.filter(isLive)
  live().forEach(adopt)
  const timer = setInterval(() => live().forEach(look), TICK_MS)

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
    cancel: (session: Session, message: string): void => {
      if (isLive(session)) end(session, 'CANCEL_ACKNOWLEDGED', message)
    },
    timelineOf: (session: Session): Timeline => watchOf(session).timeline,
    endAll: (message: string): void => {
      for (const session of live()) end(session, 'ERROR', message)
    },
    /** Stops looking; the processes themselves go on. */
    stop: (): void => {
      stopped = true
      clearInterval(timer)
    },
  }
}

export type Sessions = ReturnType<typeof createSessions>
