import type { ChildProcess } from 'node:child_process'
import { addSeconds, iso, secondsBetween } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { findProcess, isSameProcessAlive, killGroup, processStartedAt } from '../lib/processes.ts'
import { createTimeline, type LineReader, lineReader, type Timeline } from './growing-log.ts'
import { launch, type Mount, type PythonFor, readEnding, sessionPaths } from './notebook-process.ts'
import type { Preemptions } from './preemptions.ts'

/** How often sessions are looked at: their queue, their limit, their output, a kill that was ordered. */
const TICK_MS = 100

/** One stay of a notebook on an emulated machine, as its service writes it down. Times are virtual, UTC ISO 8601. */
export interface Stay {
  readonly id: number
  readonly slug: string
  readonly limitSeconds: number
  startedAt: string | null // null while it waits
  endedAt: string | null
  pid: number | null // also its process group
  processStartedAt: string | null // the system's own word for when that process began
}

export type StayEnd =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'limit' }
  /** Its process is gone and left no word; the signal, where it is known. */
  | { readonly kind: 'lost'; readonly signal: string | null }

/** What a session runs, or why it cannot. */
export type Cargo =
  | { readonly kind: 'notebook'; readonly text: string; readonly mounts: readonly Mount[] }
  | { readonly kind: 'broken'; readonly reason: string | null }

export interface MachinesOptions<Session extends Stay> {
  readonly now: () => Date
  readonly clockOffsetSeconds: () => number
  readonly pythonPath: string
  readonly pythonFor: PythonFor | undefined
  readonly runnerPath: string
  readonly environment: Readonly<Record<string, string>>
  readonly programs: string | undefined
  readonly preemptions: Preemptions
  /** Those that have not ended. */
  readonly live: () => Session[]
  /** Whether one that waits may start now. */
  readonly isDue: (session: Session) => boolean
  readonly dirOf: (session: Session) => string
  readonly cargoOf: (session: Session) => Cargo
  /** Its state as the service calls it; `startedAt` and `endedAt` are already set. */
  readonly started: (session: Session) => void
  readonly ended: (session: Session, end: StayEnd) => void
  readonly save: () => void
}

interface Watch {
  readonly lines: LineReader
  readonly timeline: Timeline
  child: ChildProcess | null
}

/** Starts the sessions that are due, ends them at their limit, and knows how each one ended. */
export function createMachines<Session extends Stay>(options: MachinesOptions<Session>) {
  const { now, preemptions, dirOf, live } = options
  const watches = new Map<number, Watch>()

  let stopped = false
  /** After a stop the next emulator of this folder keeps the books. */
  const isOurs = (session: Session): boolean => !stopped && session.endedAt === null

  const watchOf = (session: Session): Watch => {
    const known = watches.get(session.id)
    if (known) return known
    const path = sessionPaths(dirOf(session)).log
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

  const finish = (session: Session, end: StayEnd, at: Date = now()): void => {
    observe(session, true)
    session.endedAt = iso(at)
    options.ended(session, end)
    preemptions.ended(session)
    options.save()
  }

  /** Ends what is left of a session's group, unless its number has become somebody else's. */
  const endGroup = (session: Session): void => {
    if (session.pid === null) return
    if (isAlive(session) || processStartedAt(session.pid) === null) killGroup(session.pid)
  }

  const end = (session: Session, how: StayEnd): void => {
    endGroup(session)
    finish(session, how)
  }

  const start = (session: Session): void => {
    const cargo = options.cargoOf(session)
    session.startedAt = iso(now())
    options.started(session)
    if (cargo.kind === 'broken') {
      const { reason } = cargo
      finish(
        session,
        reason === null ? { kind: 'lost', signal: null } : { kind: 'failed', message: reason },
      )
      return
    }
    options.save()
    let child: ChildProcess
    try {
      child = launch({
        dir: dirOf(session),
        source: cargo.text,
        mounts: cargo.mounts,
        pythonPath: options.pythonFor?.(cargo.text) ?? options.pythonPath,
        runnerPath: options.runnerPath,
        environment: options.environment,
        programs: options.programs,
      })
    } catch (error) {
      finish(session, { kind: 'failed', message: messageOf(error) }) // no room on the disk, no such Python
      return
    }
    watchOf(session).child = child
    child.once('error', (error) => {
      if (isOurs(session)) finish(session, { kind: 'failed', message: messageOf(error) })
    })
    child.once('exit', () => {
      if (isOurs(session)) settle(session, child.signalCode)
    })
    session.pid = child.pid ?? null
    session.processStartedAt = child.pid === undefined ? null : processStartedAt(child.pid)
    preemptions.started(session, now())
    options.save()
  }

  /** Books the end of a session whose process has ended by itself. */
  const settle = (session: Session, signal: string | null): void => {
    endGroup(session) // what the notebook started and left behind ends with it
    const ending = readEnding(dirOf(session))
    if (ending === null) {
      finish(session, { kind: 'lost', signal })
      return
    }
    const told = ending.endedAt && addSeconds(ending.endedAt, options.clockOffsetSeconds())
    const isPlausible = told && told >= new Date(session.startedAt ?? 0) && told <= now()
    const at = isPlausible ? told : now()
    if (ending.code === 0) finish(session, { kind: 'done' }, at)
    else {
      const message = ending.error ?? `exit status ${ending.code}`
      finish(session, { kind: 'failed', message }, at)
    }
  }

  const observe = (session: Session, atEnd: boolean): void => {
    if (session.startedAt === null) return
    const { lines, timeline } = watchOf(session)
    const printed = lines.next(atEnd)
    timeline.note(printed.length, secondsBetween(new Date(session.startedAt), now()))
    preemptions.printed(session, printed, now())
  }

  const look = (session: Session): void => {
    if (session.startedAt === null) {
      if (options.isDue(session)) start(session)
      return
    }
    observe(session, false)
    const age = secondsBetween(new Date(session.startedAt), now())
    if (!isAlive(session)) settle(session, null)
    else if (age >= session.limitSeconds) end(session, { kind: 'limit' })
    else if (preemptions.isDue(session, now())) end(session, { kind: 'lost', signal: null })
  }

  /** A session that was started in the very moment in which we were killed: its process is found by its exit file. */
  const adopt = (session: Session): void => {
    if (session.startedAt === null || session.pid !== null) return
    session.pid = findProcess(sessionPaths(dirOf(session)).exit)
    session.processStartedAt = session.pid === null ? null : processStartedAt(session.pid)
    options.save()
  }

  live().forEach(adopt)
  const timer = setInterval(() => live().forEach(look), TICK_MS)

  return {
    /** Ends a session at once, whatever it does. One that has ended stays as it is. */
    end: (session: Session, how: StayEnd): void => {
      if (session.endedAt === null) end(session, how)
    },
    timelineOf: (session: Session): Timeline => watchOf(session).timeline,
    /** Stops looking; the processes themselves go on. */
    stop: (): void => {
      stopped = true
      clearInterval(timer)
    },
  }
}
