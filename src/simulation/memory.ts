import { AppError } from '../lib/errors.ts'
import type { Account } from '../rotation/account.ts'
import type { Changes } from '../rotation/engine/changes.ts'
import type { RotationInput } from '../rotation/engine/input.ts'
import { answersOf, launchOf, mostPast, sampleOf } from '../rotation/engine/past.ts'
import { type Reduced, reduce } from '../rotation/engine/reduce.ts'
import {
  checkpointKey,
  type Door,
  type Launch,
  onceKey,
  type Person,
  type Progress,
  progressOf,
  type RotationState,
  type Sample,
} from '../rotation/engine/state.ts'
import type { LedgerEntry, QuotaReading } from '../rotation/ledger.ts'
import type { RotationStore } from '../rotation/rotation-store.ts'
import { isOpen, type Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'

/** Sessions that are over, and weeks that are past, are forgotten after so long: no zombie lives longer. */
const keepMs = 15 * 86_400_000

export interface MemoryOptions {
  readonly now: () => Date
  /** Whether nothing can be written now. */
  readonly isAway: () => boolean
  /** Told of each event that was taken in. */
  readonly applied: (reduced: Reduced, state: RotationState, at: Date) => void
  /** Another memory that takes in the same. */
  readonly mirror?: Mirror | undefined
}

/** A second memory beside this one, told of all that happens to it, in order. What it throws, the caller meets. */
export interface Mirror {
  put(run: Run): Promise<void>
  applied(input: RotationInput, at: Date, reduced: Reduced): Promise<void>
}

/**
 * The rotation's memory without a disk: the same reducer over the same state. What the database asks of its tables stands
 * here in maps that grow with each event; test/simulation/store.test.ts holds both to the same answers.
 */
export function memory(options: MemoryOptions) {
  const accounts = new Map<string, Account>()
  const runs = new Map<string, Run>()
  const sessions = new Map<string, Session>()
  const doors = new Map<string, Door>()
  const entries = new Map<string, LedgerEntry[]>()
  const readings = new Map<string, QuotaReading>()
  const progress = new Map<string, Progress>()
  const told = new Set<string>()
  const checkpoints = new Set<string>()
  const shutOut = new Map<string, number>()
  const lastGenerations = new Map<string, Map<string, number>>()
  const unheard = new Map<string, Map<string, string>>()
  const samples = new Map<string, Sample[]>()
  const launches = new Map<string, Launch[]>()
  const answers = new Map<string, number[]>()
  const people = new Map<string, Person>()
  const nodesLost = new Map<string, Map<string, number>>()
  /** Newest first, by account. */
  const recent = new Map<string, string[]>()
  const state: RotationState = {
    accounts,
    runs,
    sessions,
    doors,
    entries,
    readings,
    progress,
    told,
    checkpoints,
    shutOut,
    lastGenerations,
    unheard,
    samples,
    launches,
    answers,
    people,
    nodesLost,
  }

  function take(changes: Changes): void {
    for (const [name, account] of changes.accounts) accounts.set(name, account)
    for (const [id, run] of changes.runs) runs.set(id, run)
    for (const session of changes.sessions.values()) takeSession(session)
    for (const [id, door] of changes.doors) doors.set(id, door)
    for (const entry of changes.entries) {
      const rows = entries.get(entry.account)
      if (!rows) entries.set(entry.account, [entry])
      else if (!rows.some(({ id }) => id === entry.id)) rows.push(entry)
    }
    for (const reading of changes.readings) readings.set(reading.account, reading)
    for (const { runId, step, generation } of changes.checkpoints) {
      checkpoints.add(checkpointKey(runId, step, generation))
      const before = progressOf(state, runId)
      progress.set(runId, { ...before, furthestStep: Math.max(before.furthestStep, step) })
    }
    for (const { runId } of changes.artifacts)
      progress.set(runId, { ...progressOf(state, runId), hasArtifact: true })
    for (const gone of changes.shutOut) shutOut.set(gone.nonceHash, gone.generation)
    for (const { kind, sessionId } of changes.news)
      if (sessionId && (kind === 'session.reminder' || kind === 'zombie.fenced'))
        told.add(onceKey(sessionId, kind))
  }

  function takeSession(session: Session): void {
    const before = sessions.get(session.id)
    sessions.set(session.id, session)
    const { runId, account } = session
    if (!before) {
      const had = progressOf(state, runId)
      progress.set(runId, {
        ...had,
        sessions: had.sessions + 1,
        lastStartMs: session.createdAt.getTime(),
      })
      recent.set(account, [session.id, ...(recent.get(account) ?? [])].slice(0, mostPast))
    }
    if (before?.generation !== session.generation) {
      const mine = lastGenerations.get(runId) ?? new Map<string, number>()
      mine.set(account, Math.max(session.generation, mine.get(account) ?? 0))
      lastGenerations.set(runId, mine)
    }
    if (before?.endedAt || !session.endedAt) return
    const there = unheard.get(runId) ?? new Map<string, string>()
    const isUnheard = session.outcome === 'lost' || session.outcome === 'preempted'
    if (isUnheard) there.set(account, session.name)
    else there.delete(account)
    unheard.set(runId, there)
    if (session.serves && (isUnheard || session.outcome === 'failed')) {
      const lost = nodesLost.get(runId) ?? new Map<string, number>()
      nodesLost.set(runId, lost.set(account, session.endedAt.getTime()))
    }
    const sample = sampleOf(session)
    if (sample) samples.set(runId, [sample, ...(samples.get(runId) ?? [])].slice(0, mostPast))
  }

  /** What the database reads anew for each look. */
  function look(): void {
    for (const [account, ids] of recent) {
      const mine = ids.flatMap((id) => sessions.get(id) ?? [])
      launches.set(
        account,
        mine.flatMap((session) => launchOf(session) ?? []),
      )
      if (accounts.get(account)?.automation !== 'person') continue
      answers.set(account, mine.flatMap(answersOf))
    }
  }

  /** Forgets what nothing will ask for any more. */
  function forget(nowMs: number): void {
    // The newest of each account are looked at however old they are.
    const looked = new Set([...recent.values()].flat())
    for (const [id, session] of sessions) {
      if (looked.has(id)) continue
      if (!session.endedAt || nowMs - session.endedAt.getTime() < keepMs) continue
      sessions.delete(id)
      doors.delete(id)
    }
    for (const [account, rows] of entries) {
      const kept = rows.filter(({ weekStart }) => nowMs - weekStart.getTime() < keepMs)
      if (kept.length < rows.length) entries.set(account, kept)
    }
    for (const [id, run] of runs) if (!isOpen(run)) closed(id)
  }

  function closed(runId: string): void {
    const endedAt = runs.get(runId)?.endedAt
    if (!endedAt || options.now().getTime() - endedAt.getTime() < keepMs) return
    for (const map of [runs, progress, lastGenerations, unheard, samples]) map.delete(runId)
  }

  const away = () => {
    if (options.isAway()) throw new AppError('unavailable', 'nothing can be written now')
  }
  const open = (): Session[] => [...sessions.values()].filter(({ endedAt }) => endedAt === null)

  const store: RotationStore = {
    accounts: async () => [...accounts.values()],
    openRuns: async () => [...runs.values()].filter(isOpen),
    openSessions: async () => open(),
    ledgerRows: async (account, from) =>
      (entries.get(account) ?? []).filter(({ weekStart }) => weekStart >= from),
    async apply(input) {
      away()
      const at = options.now()
      if (input.kind === 'seek') {
        forget(at.getTime())
        look()
      }
      const reduced = reduce(state, input, at)
      take(reduced.changes)
      options.applied(reduced, state, at)
      await options.mirror?.applied(input, at, reduced)
      return reduced
    },
  }

  return {
    store,
    state,
    addPerson: (owner: string, person: Person) => void people.set(owner, person),
    addAccount: (account: Account) => void accounts.set(account.name, account),
    async putRun(run: Run) {
      runs.set(run.id, run)
      await options.mirror?.put(run)
    },
    open,
  }
}

export type Memory = ReturnType<typeof memory>
