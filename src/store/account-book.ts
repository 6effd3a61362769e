import { unknownAccount } from '../control/account-access.ts'
import type { AccountRows, Credentials } from '../control/accounts.ts'
import type { AccountContents, AccountRemovalPorts } from '../control/remove-account.ts'
import { AppError } from '../lib/errors.ts'
import { type Account, rulesOf } from '../rotation/account.ts'
import { type LedgerEntry, totals } from '../rotation/ledger.ts'
import { weekOf } from '../rotation/week.ts'
import { seal, unseal } from '../safekeeping/seal.ts'
import {
  insertAccount,
  markRemoved,
  readAccount,
  readEveryAccount,
  readLentAccounts,
  reviveAccount,
  toAccount,
} from './account-rows.ts'
import { type Database, number, type Queries, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { insertEntries, readLedger } from './ledger-rows.ts'
import { writePerson } from './person-rows.ts'
import { takeBackServing } from './serving-rows.ts'

type AccountBook = AccountRows & AccountRemovalPorts['rows']

/** Accounts in the database; credentials sealed with `key`. */
export function accountBook(db: Database, key: Uint8Array, now: () => Date): AccountBook {
  const writeCredentials = async (
    tx: Queries,
    name: string,
    credentials: Credentials,
    at: string,
  ) => {
    await tx.run(
      `insert into credentials (account, sealed, written_at) values ($1, $2, $3)
       on conflict (account) do update set sealed = excluded.sealed, written_at = excluded.written_at`,
      name,
      seal(key, `account ${name}`, JSON.stringify(credentials)),
      at,
    )
  }
  const writeRules = (tx: Queries, { provider, driver }: Account, at: string) =>
    tx.run(
      'insert into accepted_rules values ($1, $2) on conflict (provider) do nothing',
      rulesOf(provider, driver),
      at,
    )
  return {
    all: () => readLentAccounts(db),
    every: () => readEveryAccount(db),
    async named(name) {
      const row = await db.first(
        'select * from accounts where name = $1 and removed_at is null',
        name,
      )
      return row && toAccount(row)
    },
    async ofOwner(provider, owner, emulated) {
      const row = await db.first(
        `select * from accounts where provider = $1 and owner = $2 and emulated = $3
           and removed_at is null`,
        provider,
        owner,
        emulated && provider !== 'local' ? 1 : 0,
      )
      return row && toAccount(row)
    },
    rulesAccepted: async (rules) =>
      (await db.first('select 1 as one from accepted_rules where provider = $1', rules)) !==
      undefined,
    add: (account, credentials, hours = {}) =>
      db.transaction(async (tx) => {
        const at = now().toISOString()
        await insertAccount(tx, account, at)
        await writeRules(tx, account, at)
        if (credentials) await writeCredentials(tx, account.name, credentials, at)
        await writePerson(tx, account.owner, hours, at)
        await carryHours(tx, account, now())
        await insertEvent(tx, { kind: 'account.added', data: told(account) }, at)
      }),
    revive: (account, credentials, hours = {}) =>
      db.transaction(async (tx) => {
        const at = now().toISOString()
        await reviveAccount(tx, account)
        await writeRules(tx, account, at)
        if (credentials) await writeCredentials(tx, account.name, credentials, at)
        await writePerson(tx, account.owner, hours, at)
        await insertEvent(tx, { kind: 'account.added', data: told(account) }, at)
      }),
    renew: (name, credentials, hours = {}) =>
      db.transaction(async (tx) => {
        const at = now().toISOString()
        const account = await readAccount(tx, name)
        if (account) await writePerson(tx, account.owner, hours, at)
        if (!credentials) return
        await writeCredentials(tx, name, credentials, at)
        await tx.run(
          'update accounts set username = $1, hold_until = null, hold_reason = null where name = $2',
          credentials.username,
          name,
        )
      }),
    contents: (name) => contentsOf(db, name),
    remove: (name) =>
      db.transaction(async (tx) => {
        const { account } = await contentsOf(tx, name)
        const at = now().toISOString()
        await markRemoved(tx, name, at)
        await takeBackServing(tx, name, at)
        await tx.run('delete from credentials where account = $1', name)
        await tx.run('delete from quota_readings where account = $1', name)
        await insertEvent(tx, { kind: 'account.removed', data: told(account) }, at)
      }),
    async credentials(name) {
      const row = await db.first('select sealed from credentials where account = $1', name)
      if (!row) return undefined
      const opened: unknown = JSON.parse(unseal(key, `account ${name}`, text(row, 'sealed')))
      return opened as Credentials // sealed by writeCredentials alone, and authenticated
    },
  }
}

const told = ({ name, provider, owner, emulated }: Account) => ({
  account: name,
  provider,
  owner,
  emulated,
})

/** What its owner has used this week by accounts at the same provider that were removed since: an account grants no week twice. */
async function carryHours(tx: Queries, account: Account, now: Date): Promise<void> {
  const { start } = weekOf(account.reset, now)
  const former = await tx.all(
    `select name from accounts where provider = $1 and removed_owner = $2 and emulated = $3
       and removed_at is not null order by name`,
    account.provider,
    account.owner,
    account.emulated ? 1 : 0,
  )
  for (const row of former) {
    const name = text(row, 'name')
    const { chargedSeconds, adjustedSeconds } = totals(await readLedger(tx, name, start), start)
    const used = chargedSeconds - adjustedSeconds
    if (used <= 0) continue
    const entry: LedgerEntry = {
      id: `${account.name}:adjust:${start.toISOString()}:${name}`,
      sessionId: null,
      kind: 'adjust',
      weekStart: start,
      account: account.name,
      gpuSeconds: -used,
      note: `used as ${name}, which was removed`,
    }
    await insertEntries(tx, [entry], now.toISOString())
  }
}

/** See `removeAccount`. */
async function contentsOf(db: Queries, name: string): Promise<AccountContents> {
  const row = await db.first('select * from accounts where name = $1 and removed_at is null', name)
  if (!row) throw unknownAccount(name)
  const live = await db.all(
    `select s.generation, s.serves, r.name from sessions s join runs r on r.id = s.run_id
     where s.account = $1 and s.ended_at is null order by s.created_at`,
    name,
  )
  const [first] = live
  if (first) {
    const run = text(first, 'name')
    const [noun, stop] =
      number(first, 'serves') === 1
        ? ['serving policy', 'rodizio serve stop']
        : ['run', 'rodizio train stop']
    throw new AppError(
      'conflict',
      `account ${name} has ${live.length === 1 ? 'a live session' : `${live.length} live sessions`}: session ${number(first, 'generation')} of ${noun} ${run}`,
      {
        code: 'account_busy',
        next: `Wait until it has ended (rodizio sessions --open), or stop the ${noun}: ${stop} ${run}`,
      },
    )
  }
  const sessions = await db.first('select count(*) as n from sessions where account = $1', name)
  const stored = await db.first('select 1 as one from credentials where account = $1', name)
  return {
    account: toAccount(row),
    hasCredentials: stored !== undefined,
    sessions: number(sessions ?? {}, 'n'),
  }
}
