import type { Account } from '../rotation/account.ts'
import type { RotationInput } from '../rotation/engine/input.ts'
import {
  checkpointKey,
  type Door,
  onceKey,
  type Person,
  type Progress,
  type RotationState,
} from '../rotation/engine/state.ts'
import type { LedgerEntry, QuotaReading } from '../rotation/ledger.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import { weekOf } from '../rotation/week.ts'
import { readAbsences } from './absence-rows.ts'
import { readAccount, readAccounts } from './account-rows.ts'
import { date, number, type Queries, type Row, text, textOrNull } from './database.ts'
import { readLedger, readQuota, readReservation } from './ledger-rows.ts'
import { readPast } from './past-sessions.ts'
import { readPerson } from './person-rows.ts'
import { readOpenRuns, readRun } from './run-rows.ts'
import { readOpenSessions, readOpenSessionsOf, toSession } from './session-rows.ts'

const doorOf = (row: Row): Door => ({
  ticketHash: text(row, 'ticket_hash'),
  nonceHash: textOrNull(row, 'nonce_hash'),
  tokenHash: textOrNull(row, 'token_hash'),
})

/** The part of what is remembered that an input is about. */
export function loadState(tx: Queries, input: RotationInput, now: Date): Promise<RotationState> {
  switch (input.kind) {
    case 'look':
      return allOpen(tx)
    case 'seek':
    case 'restored':
      return everything(tx, now)
    case 'planned':
      return ofPlanned(tx, input.planned)
    case 'read-books':
      return stateOf({})
    case 'enrolled':
      return ofSession(tx, 'ticket_hash', input.hashes.ticket, input)
    case 'heard':
    case 'reported':
      return ofSession(tx, 'id', input.held.id, input)
    case 'committed':
      return ofSession(tx, 'id', input.upload.sessionId, input)
    default:
      return ofSession(tx, 'id', input.sessionId, input)
  }
}

async function stateOf(parts: Partial<RotationState>): Promise<RotationState> {
  return {
    accounts: new Map(),
    runs: new Map(),
    sessions: new Map(),
    doors: new Map(),
    entries: new Map(),
    readings: new Map(),
    progress: new Map(),
    told: new Set(),
    checkpoints: new Set(),
    shutOut: new Map(),
    lastGenerations: new Map(),
    unheard: new Map(),
    samples: new Map(),
    launches: new Map(),
    answers: new Map(),
    people: new Map(),
    nodesLost: new Map(),
    ...parts,
  }
}

const byId = <T extends { readonly id: string }>(items: readonly T[]): Map<string, T> =>
  new Map(items.map((item) => [item.id, item]))

async function ofSession(
  tx: Queries,
  column: 'id' | 'ticket_hash',
  value: string,
  input: RotationInput,
): Promise<RotationState> {
  const row = await tx.first(`select * from sessions where ${column} = $1`, value)
  if (!row) return stateOf({})
  const session = toSession(row)
  const run = await readRun(tx, session.runId)
  const account = await readAccount(tx, session.account)
  const nonce = input.kind === 'enrolled' ? input.hashes.nonce : undefined
  const told = await tx.all(
    "select kind from events where session_id = $1 and kind in ('session.reminder', 'zombie.fenced')",
    session.id,
  )
  // A node that is heard may have a successor that answers already.
  const beside =
    session.serves && input.kind === 'heard' ? await readOpenSessionsOf(tx, session.runId) : []
  return stateOf({
    sessions: byId([...beside, session]),
    runs: byId(run ? [run] : []),
    accounts: new Map(account ? [[account.name, account]] : []),
    doors: new Map([[session.id, doorOf(row)]]),
    entries: new Map([[session.account, await readReservation(tx, session.id)]]),
    progress: new Map([[session.runId, await readProgress(tx, session.runId)]]),
    told: new Set(told.map((event) => onceKey(session.id, text(event, 'kind')))),
    checkpoints: await readCheckpoints(tx, input),
    shutOut: nonce === undefined ? new Map() : await readShutOut(tx, nonce),
    unheard:
      input.kind === 'observed'
        ? new Map([[session.runId, await readUnheard(tx, session)]])
        : new Map(),
  })
}

async function readCheckpoints(tx: Queries, input: RotationInput): Promise<ReadonlySet<string>> {
  if (input.kind !== 'committed') return new Set()
  const { runId, step, generation } = input.upload
  const stands = await tx.first(
    'select 1 as one from checkpoints where run_id = $1 and step = $2 and generation = $3',
    runId,
    step,
    generation,
  )
  return new Set(stands ? [checkpointKey(runId, step, generation)] : [])
}

async function readShutOut(tx: Queries, nonce: string): Promise<ReadonlyMap<string, number>> {
  const spent = await tx.first('select generation from spent_nonces where nonce_hash = $1', nonce)
  return new Map(spent ? [[nonce, number(spent, 'generation')]] : [])
}

/** The account's newest session of the run before this one, where it ended without a word. */
async function readUnheard(tx: Queries, session: Session): Promise<ReadonlyMap<string, string>> {
  const newest = await tx.first(
    `select name, outcome from sessions where run_id = $1 and account = $2 and state = 'ended'
     order by generation desc limit 1`,
    session.runId,
    session.account,
  )
  const isUnheard = newest?.outcome === 'lost' || newest?.outcome === 'preempted'
  return new Map(newest && isUnheard ? [[session.account, text(newest, 'name')]] : [])
}

export async function readProgress(tx: Queries, runId: string): Promise<Progress> {
  const row = await tx.first(
    `select (select max(step) from checkpoints where run_id = $1 and state = 'committed') as step,
       (select count(*) from artifacts where run_id = $1) as artifacts,
       (select count(*) from sessions where run_id = $1) as sessions,
       (select max(created_at) from sessions where run_id = $1) as started`,
    runId,
  )
  return {
    furthestStep: row ? number(row, 'step') : 0,
    hasArtifact: row ? number(row, 'artifacts') > 0 : false,
    sessions: row ? number(row, 'sessions') : 0,
    lastStartMs: row?.started ? date(row, 'started').getTime() : null,
  }
}

async function ofPlanned(
  tx: Queries,
  { runId, account, reservation }: Extract<RotationInput, { kind: 'planned' }>['planned'],
): Promise<RotationState> {
  const run = await readRun(tx, runId)
  const sessions = (await readOpenSessions(tx)).filter((session) => session.runId === runId)
  const from = reservation[0]?.weekStart
  const reading = await readQuota(tx, account.name)
  return stateOf({
    runs: byId(run ? [run] : []),
    sessions: byId(sessions),
    accounts: new Map([[account.name, account]]),
    entries: new Map([[account.name, from ? await readLedger(tx, account.name, from) : []]]),
    readings: new Map(reading ? [[account.name, reading]] : []),
  })
}

/** The sessions that are open, with what their ends would change. */
async function allOpen(tx: Queries): Promise<RotationState> {
  const sessions = await readOpenSessions(tx)
  const runs = new Map<string, Run>()
  const entries = new Map<string, LedgerEntry[]>()
  for (const { id, runId, account } of sessions) {
    const run = runs.get(runId) ?? (await readRun(tx, runId))
    if (run) runs.set(run.id, run)
    entries.set(account, [...(entries.get(account) ?? []), ...(await readReservation(tx, id))])
  }
  return stateOf({
    accounts: new Map((await readAccounts(tx)).map((account) => [account.name, account])),
    runs,
    sessions: byId(sessions),
    entries,
    progress: await progressOfAll(tx, [...runs.values()]),
    told: await readReminders(tx),
  })
}

const readReminders = async (tx: Queries): Promise<ReadonlySet<string>> =>
  new Set(
    (
      await tx.all(
        `select e.session_id, e.kind from sessions s join events e on e.session_id = s.id
         where s.ended_at is null and e.kind = 'session.reminder'`,
      )
    ).map((row) => onceKey(text(row, 'session_id'), text(row, 'kind'))),
  )

/** All that is open, with the books of the weeks in which anything can still be booked. */
export async function everything(tx: Queries, now: Date): Promise<RotationState> {
  const accounts = await readAccounts(tx)
  const runs = await readOpenRuns(tx)
  const sessions = await readOpenSessions(tx)
  const allRuns = byId(runs)
  for (const { runId } of sessions) {
    if (allRuns.has(runId)) continue
    const run = await readRun(tx, runId)
    if (run) allRuns.set(run.id, run)
  }
  const entries = new Map<string, LedgerEntry[]>()
  const readings = new Map<string, QuotaReading>()
  for (const account of accounts) {
    const { start } = weekOf(account.reset, now)
    const rows = await readLedger(tx, account.name, start)
    const known = new Set(rows.map(({ id }) => id))
    // A session from before the reset has its booking there.
    for (const session of sessions.filter(({ account: name }) => name === account.name)) {
      const reserved = await readReservation(tx, session.id)
      rows.push(...reserved.filter(({ id }) => !known.has(id)))
    }
    entries.set(account.name, rows)
    const reading = await readQuota(tx, account.name)
    if (reading) readings.set(account.name, reading)
  }
  return stateOf({
    accounts: new Map(accounts.map((account) => [account.name, account])),
    runs: allRuns,
    sessions: byId(sessions),
    entries,
    readings,
    progress: await progressOfAll(tx, [...allRuns.values()]),
    told: await readReminders(tx),
    lastGenerations: await lastGenerations(tx, runs),
    ...(await readPast(tx, accounts, runs)),
    nodesLost: await readNodesLost(tx, runs),
    people: await readPeople(tx, accounts, now),
  })
}

async function progressOfAll(tx: Queries, runs: readonly Run[]) {
  const progress = new Map<string, Progress>()
  for (const { id } of runs) progress.set(id, await readProgress(tx, id))
  return progress
}

async function lastGenerations(tx: Queries, runs: readonly Run[]) {
  const found = new Map<string, ReadonlyMap<string, number>>()
  for (const { id } of runs) found.set(id, await readLastGenerations(tx, id))
  return found
}

/** The generation of a run that each account held last. */
export async function readLastGenerations(
  tx: Queries,
  runId: string,
): Promise<ReadonlyMap<string, number>> {
  const rows = await tx.all(
    'select account, max(generation) as generation from sessions where run_id = $1 group by account',
    runId,
  )
  return new Map(rows.map((row) => [text(row, 'account'), number(row, 'generation')]))
}

/** When a session that served was lost, preempted or failed last, by policy and account. */
async function readNodesLost(tx: Queries, runs: readonly Run[]) {
  const found = new Map<string, ReadonlyMap<string, number>>()
  for (const { id } of runs.filter(({ serving }) => serving !== null)) {
    const rows = await tx.all(
      `select account, max(ended_at) as ended_at from sessions
       where run_id = $1 and outcome in ('lost', 'preempted', 'failed') group by account`,
      id,
    )
    found.set(
      id,
      new Map(rows.map((row) => [text(row, 'account'), date(row, 'ended_at').getTime()])),
    )
  }
  return found
}

/** When the people who start sessions can be asked. The emulated ones never sleep. */
async function readPeople(tx: Queries, accounts: readonly Account[], now: Date) {
  const absences = await readAbsences(tx, now)
  const found = new Map<string, Person>()
  for (const { owner, automation, emulated } of accounts) {
    if (automation !== 'person' || emulated) continue
    const { zone, wakingFrom, wakingTo } = await readPerson(tx, owner)
    const away = absences
      .filter((absence) => absence.owner === owner)
      .map(({ from, to }) => ({ fromMs: from.getTime(), toMs: to.getTime() }))
    found.set(owner, { waking: { fromHour: wakingFrom, toHour: wakingTo, zone }, away })
  }
  return found
}
