import { join } from 'node:path'
import type { Checkpoint } from '../../src/artifacts/checkpoint.ts'
import type { Account } from '../../src/rotation/account.ts'
import { reserve, roundedToMinute } from '../../src/rotation/ledger.ts'
import type { PlannedSession } from '../../src/rotation/planned-session.ts'
import { defaultOptions, notBegun, type Run } from '../../src/rotation/run.ts'
import { type Session, sessionName } from '../../src/rotation/session.ts'
import type { SessionEnd } from '../../src/rotation/session-end.ts'
import { insertAccount } from '../../src/store/account-rows.ts'
import type { Database } from '../../src/store/database.ts'
import { insertDataset } from '../../src/store/dataset-rows.ts'
import { migrate } from '../../src/store/migrate.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { temporaryFolder } from '../temporary-folder.ts'

export const migrations = new URL('../../migrations/', import.meta.url)
export const start = '2026-03-10T12:00:00.000Z'
export const HOUR = 3600

/** A real database with the real migrations in a folder of its own; both are gone at the end of the block. */
export async function freshDatabase(): Promise<
  AsyncDisposable & { readonly db: Database; readonly file: string; readonly folder: string }
> {
  const folder = temporaryFolder()
  const file = join(folder.path, 'rodizio.db')
  const db = openSqlite(file)
  await migrate(db, migrations, new Date(start))
  return {
    db,
    file,
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await db.close()
      folder[Symbol.dispose]()
    },
  }
}

export const accountOf = (name: string, changes: Partial<Account> = {}): Account => ({
  name,
  owner: name,
  provider: 'kaggle',
  username: name,
  automation: 'api',
  driver: null,
  weeklySeconds: 30 * HOUR,
  reset: { weekday: 6, hour: 0, zone: 'UTC' },
  maxSessionSeconds: 9 * HOUR,
  maxConcurrent: 2,
  marginPercent: 0,
  serves: false,
  emulated: false,
  holdUntil: null,
  holdReason: null,
  ...changes,
})

export const runOf = (name: string, changes: Partial<Run> = {}): Run => ({
  ...notBegun,
  id: `run_${name}`,
  name,
  engine: 'dry',
  datasetVersion: 'ds_one',
  serving: null,
  priority: 0,
  plan: { engine: 'dry', targetSteps: 100, seed: 7 },
  options: defaultOptions,
  targetSteps: 100,
  createdAt: new Date(start),
  ...changes,
})

export const sessionOf = (changes: Partial<Session> = {}): Session => ({
  id: 'ses_1',
  runId: 'run_one',
  generation: 1,
  name: 'rodizio-one-g1',
  account: 'ana',
  provider: 'kaggle',
  serves: false,
  sealed: false,
  state: 'running',
  outcome: null,
  reason: null,
  handle: 'rodizio-one-g1',
  plannedSeconds: HOUR,
  heartbeatSeconds: 60,
  fromStep: 0,
  toStep: 0,
  lastCheckpointStep: null,
  createdAt: new Date(start),
  launchedAt: new Date(start),
  enrolledAt: new Date(start),
  trainingAt: null,
  heardAt: new Date(start),
  node: null,
  badBeatAt: null,
  restart: null,
  restarts: 0,
  checkedAt: null,
  expiresAt: null,
  deadlineAt: new Date('2026-03-10T13:00:00.000Z'),
  endedAt: null,
  usedSeconds: null,
  logTail: null,
  ...changes,
})

export const checkpointOf = (changes: Partial<Checkpoint> = {}): Checkpoint => ({
  runId: 'run_one',
  step: 10,
  generation: 1,
  sessionId: 'ses_1',
  state: 'committed',
  manifestSha256: '0'.repeat(64),
  bytes: 1,
  metrics: {},
  committedAt: new Date(start),
  ...changes,
})

const empty = { rows: 0, bytes: 0, sha256: '0'.repeat(64) }

/** Puts a data set, accounts and runs there. */
export async function seed(
  db: Database,
  accounts: readonly Account[],
  runs: readonly Run[],
): Promise<void> {
  const made = { version: 'ds_one', train: { ...empty, rows: 100 }, validation: empty }
  await insertDataset(db, 'one', made, 0, start)
  for (const account of accounts) await insertAccount(db, account, start)
  for (const run of runs) await insertRun(db, run)
}

export const endOf = (
  outcome: SessionEnd['outcome'],
  more: Partial<SessionEnd> = {},
): SessionEnd => ({
  outcome,
  reason: `it ${outcome}`,
  failure: null,
  logTail: null,
  holdUntil: null,
  ...more,
})

/** The next session of a run, as the rotation would plan it. */
export function plannedOf(
  run: Run,
  account: Account,
  from: Date,
  seconds: number,
  changes: Partial<PlannedSession> = {},
): PlannedSession {
  const generation = changes.generation ?? run.generation + 1
  const id = changes.id ?? `ses_${run.name}_${generation}`
  return {
    id,
    runId: run.id,
    generation,
    name: sessionName(run.id, run.name, generation),
    account,
    plannedSeconds: seconds,
    heartbeatSeconds: 60,
    fromStep: 0,
    sealed: false,
    reservation: reserve(account, id, from, roundedToMinute(seconds)),
    ...changes,
  }
}
