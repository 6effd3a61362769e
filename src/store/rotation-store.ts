import { balanceSeconds, settle } from '../rotation/ledger.ts'
import type { PlannedSession, RotationStore } from '../rotation/rotation-store.ts'
import { isOpen } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import { afterSession, type SessionEnd } from '../rotation/session-end.ts'
import { readAccount, readAccounts, writeHold } from './account-rows.ts'
import { type Database, number, type Queries } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { insertEntries, readLedger, readQuota, readReservation, writeQuota } from './ledger-rows.ts'
import { readOpenRuns, readRun } from './run-rows.ts'
import { readOpenSessions, readSession } from './session-rows.ts'

/** The rotation's memory on a database; `now` is asked once in each transaction. */
export function rotationStore(db: Database, now: () => Date): RotationStore {
  return {
    accounts: () => readAccounts(db),
    openRuns: () => readOpenRuns(db),
    openSessions: () => readOpenSessions(db),
    ledgerRows: (account, from) => readLedger(db, account, from),
    quotaReading: (account) => readQuota(db, account),
    saveQuotaReading: (reading) => writeQuota(db, reading),
    resumeStep: (runId) => furthestStep(db, runId),
    async lastGenerations(runId) {
      const rows = await db.all(
        'select account, max(generation) as generation from sessions where run_id = $1 group by account',
        runId,
      )
      return new Map(rows.map((row) => [String(row.account), number(row, 'generation')]))
    },
    async unheardSession(runId, account) {
      const [newest] = await db.all(
        `select name, outcome from sessions where run_id = $1 and account = $2 and state = 'ended'
         order by generation desc limit 1`,
        runId,
        account,
      )
      const unheard = newest?.outcome === 'lost' || newest?.outcome === 'preempted'
      return unheard ? String(newest.name) : null
    },
    planSession: (planned) => db.transaction((tx) => planSession(tx, planned, now())),
    markLaunching: (sessionId, ticketHash) =>
      db.transaction(async (tx) => {
        const session = await readSession(tx, sessionId)
        if (!session) return
        const at = now()
        await tx.run(
          `update sessions set state = 'launching', ticket_hash = $1, launched_at = $2, deadline_at = $3
           where id = $4 and state in ('planned', 'launching')`,
          ticketHash,
          at.toISOString(),
          deadline(session, at).toISOString(),
          sessionId,
        )
      }),
    markStarted: (sessionId, handle) =>
      db.transaction(async (tx) => {
        const session = await readSession(tx, sessionId)
        if (!session || session.handle !== null || session.endedAt) return
        const state = session.enrolledAt ? session.state : 'starting'
        const launchedAt = session.launchedAt ?? now()
        await tx.run(
          'update sessions set handle = $1, state = $2, launched_at = $3, deadline_at = $4 where id = $5',
          handle,
          state,
          launchedAt.toISOString(),
          deadline(session, launchedAt).toISOString(),
          sessionId,
        )
        await insertEvent(
          tx,
          {
            kind: 'session.launched',
            runId: session.runId,
            sessionId,
            data: about(session),
          },
          now().toISOString(),
        )
      }),
    markAwaiting: (sessionId, link, expiresAt) =>
      db.transaction(async (tx) => {
        const session = await readSession(tx, sessionId)
        if (!session || session.endedAt || session.enrolledAt || session.handle !== null) return
        const account = await readAccount(tx, session.account)
        await tx.run(
          `update sessions set state = 'awaiting_person', handle = $1, expires_at = $2, deadline_at = null where id = $3`,
          link,
          expiresAt.toISOString(),
          sessionId,
        )
        const data = {
          ...about(session),
          owner: account?.owner ?? session.account,
          emulated: account?.emulated ?? false,
          link,
          expiresAt: expiresAt.toISOString(),
        }
        const ref = { runId: session.runId, sessionId }
        await insertEvent(
          tx,
          { kind: 'session.awaiting_person', ...ref, data },
          now().toISOString(),
        )
      }),
    remind: (sessionId) =>
      db.transaction(async (tx) => {
        const told = await tx.first(
          "select 1 as one from events where session_id = $1 and kind = 'session.reminder'",
          sessionId,
        )
        const session = await readSession(tx, sessionId)
        if (told || !session || session.state !== 'awaiting_person') return
        const account = await readAccount(tx, session.account)
        const owner = account?.owner ?? session.account
        const data = { ...about(session), owner, link: session.handle }
        const ref = { runId: session.runId, sessionId }
        await insertEvent(tx, { kind: 'session.reminder', ...ref, data }, now().toISOString())
      }),
    async markChecked(sessionId) {
      await db.run(
        'update sessions set checked_at = $1 where id = $2',
        now().toISOString(),
        sessionId,
      )
    },
    endSession: (sessionId, end) => db.transaction((tx) => endSession(tx, sessionId, end, now())),
    holdAccount: (account, until, reason) =>
      db.transaction(async (tx) => hold(tx, account, until, reason, now())),
    setWaiting: (runId, why) =>
      db.transaction(async (tx) => {
        const run = await readRun(tx, runId)
        if (!run || run.waiting === why) return
        await tx.run('update runs set waiting = $1 where id = $2', why, runId)
        if (why === null) return
        await insertEvent(
          tx,
          { kind: 'run.waiting', runId, data: { run: run.name, why } },
          now().toISOString(),
        )
      }),
    settleStop: (runId) =>
      db.transaction(async (tx) => {
        const run = await readRun(tx, runId)
        if (!run || !isOpen(run)) return
        const at = now().toISOString()
        await tx.run("update runs set state = 'stopped', ended_at = $1 where id = $2", at, runId)
        await insertEvent(
          tx,
          { kind: 'run.stopped', runId, data: { run: run.name, step: run.step } },
          at,
        )
      }),
  }
}

/** The session's cap, from the moment it was sent off. */
export const deadline = (session: Session, launchedAt: Date): Date =>
  new Date(launchedAt.getTime() + session.plannedSeconds * 1000)

export const about = (session: Session) => ({
  generation: session.generation,
  account: session.account,
  provider: session.provider,
  fromStep: session.fromStep,
  seconds: session.plannedSeconds,
  sealed: session.sealed,
})

export async function furthestStep(db: Queries, runId: string): Promise<number> {
  const row = await db.first(
    "select max(step) as step from checkpoints where run_id = $1 and state = 'committed'",
    runId,
  )
  return row ? number(row, 'step') : 0
}

async function planSession(tx: Queries, planned: PlannedSession, now: Date): Promise<boolean> {
  const run = await readRun(tx, planned.runId)
  if (!run || !isOpen(run) || run.stopAsked || planned.generation !== run.generation + 1)
    return false
  const live = await tx.first(
    'select 1 as one from sessions where run_id = $1 and ended_at is null',
    planned.runId,
  )
  if (live) return false
  const at = now.toISOString()
  const { account } = planned
  for (const part of planned.reservation) {
    const rows = await readLedger(tx, account.name, part.weekStart)
    if (balanceSeconds(account, rows, part.weekStart) < part.gpuSeconds) return false
  }
  await tx.run(
    `insert into sessions (id, run_id, generation, name, account, provider, state, ticket_hash, planned_seconds,
       heartbeat_seconds, from_step, to_step, created_at, sealed)
     values ($1, $2, $3, $4, $5, $6, 'planned', $7, $8, $9, $10, $10, $11, $12)`,
    planned.id,
    planned.runId,
    planned.generation,
    planned.name,
    account.name,
    account.provider,
    `none:${planned.id}`,
    planned.plannedSeconds,
    planned.heartbeatSeconds,
    planned.fromStep,
    at,
    planned.sealed ? 1 : 0,
  )
  await insertEntries(tx, planned.reservation, at)
  await tx.run(
    "update runs set generation = $1, state = 'training' where id = $2",
    planned.generation,
    planned.runId,
  )
  const data = {
    run: run.name,
    generation: planned.generation,
    account: account.name,
    provider: account.provider,
    emulated: account.emulated,
    seconds: planned.plannedSeconds,
    fromStep: planned.fromStep,
  }
  const event = { kind: 'session.planned' as const, runId: run.id, sessionId: planned.id, data }
  await insertEvent(tx, event, at)
  return true
}

/** Ends a session inside a transaction; see `RotationStore.endSession`. */
export async function endSession(
  tx: Queries,
  sessionId: string,
  end: SessionEnd,
  now: Date,
): Promise<boolean> {
  const session = await readSession(tx, sessionId)
  if (!session || session.endedAt) return false
  const run = await readRun(tx, session.runId)
  const account = await readAccount(tx, session.account)
  if (!run || !account) return false
  const at = now.toISOString()
  // A session that never left this machine used nothing; any other is charged from its launch, at most to its cap.
  const neverRan = end.outcome === 'cancelled' || end.outcome === 'expired'
  const unused = neverRan && session.enrolledAt === null
  const started = unused ? null : session.launchedAt
  const used = started ? Math.max(0, Math.ceil((now.getTime() - started.getTime()) / 1000)) : 0
  const usedSeconds = Math.min(used, session.plannedSeconds)
  const reserved = await readReservation(tx, sessionId)
  const from = started ?? session.createdAt
  await insertEntries(tx, settle(account, sessionId, reserved, from, usedSeconds), at)
  await tx.run(
    `update sessions set state = 'ended', outcome = $1, reason = $2, ended_at = $3, used_seconds = $4, log_tail = $5
     where id = $6`,
    end.outcome,
    end.reason,
    at,
    usedSeconds,
    end.logTail,
    sessionId,
  )
  const artifact = await tx.first('select 1 as one from artifacts where run_id = $1', run.id)
  const progressed = (session.lastCheckpointStep ?? session.fromStep) > session.fromStep
  const change = afterSession(run, session, end, progressed, artifact !== undefined)
  const over =
    change.state === 'completed' || change.state === 'failed' || change.state === 'stopped'
  await tx.run(
    'update runs set state = $1, failures = $2, failure = $3, ended_at = $4, waiting = null where id = $5',
    change.state,
    change.failures,
    change.failure,
    over ? at : null,
    run.id,
  )
  if (end.holdUntil) await hold(tx, account.name, end.holdUntil, end.reason, now)
  const ref = { runId: run.id, sessionId }
  const lostSteps = Math.max(0, session.toStep - (session.lastCheckpointStep ?? session.fromStep))
  const data = {
    ...about(session),
    run: run.name,
    outcome: end.outcome,
    reason: end.reason,
    toStep: session.toStep,
    checkpointStep: session.lastCheckpointStep ?? session.fromStep,
    lostSteps: end.outcome === 'finished' ? 0 : lostSteps,
    usedSeconds,
    staged: run.sample && end.outcome === 'preempted',
  }
  await insertEvent(tx, { kind: 'session.ended', ...ref, data }, at)
  if (over) {
    const kind = `run.${change.state}` as 'run.completed' | 'run.failed' | 'run.stopped'
    // Not the generation: a session that was started again has had several.
    const rows = await tx.first('select count(*) as n from sessions where run_id = $1', run.id)
    const sessions = rows ? number(rows, 'n') : 1
    const { name, step, sample, engine } = run
    const told = { run: name, step, sample, engine, sessions, failure: change.failure }
    await insertEvent(tx, { kind, ...ref, data: told }, at)
  }
  return true
}

async function hold(
  tx: Queries,
  account: string,
  until: Date,
  reason: string,
  now: Date,
): Promise<void> {
  await writeHold(tx, account, until.toISOString(), reason)
  const data = { account, until: until.toISOString(), reason }
  await insertEvent(tx, { kind: 'account.held', data }, now.toISOString())
}
