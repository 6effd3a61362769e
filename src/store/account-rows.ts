import type { EveryAccount } from '../control/accounts.ts'
import type { Account, Automation, ColabDriver, ProviderName } from '../rotation/account.ts'
import { dateOrNull, number, type Queries, type Row, text, textOrNull } from './database.ts'

/** After every time that is ever looked at. */
const forever = new Date('9999-12-31T00:00:00.000Z')

/** An account as it was lent, also when it was removed since: then it is held for good. */
export const toAccount = (row: Row): Account => ({
  name: text(row, 'name'),
  owner: textOrNull(row, 'removed_owner') ?? text(row, 'owner'),
  provider: text(row, 'provider') as ProviderName, // the column's check constraint
  username: textOrNull(row, 'removed_username') ?? text(row, 'username'),
  automation: text(row, 'automation') as Automation, // likewise
  driver: textOrNull(row, 'driver') as ColabDriver | null, // likewise
  weeklySeconds: number(row, 'weekly_seconds'),
  reset: {
    weekday: number(row, 'reset_weekday'),
    hour: number(row, 'reset_hour'),
    zone: text(row, 'reset_zone'),
  },
  maxSessionSeconds: number(row, 'max_session_seconds'),
  maxConcurrent: number(row, 'max_concurrent'),
  marginPercent: number(row, 'margin_percent'),
  serves: number(row, 'serves') === 1,
  emulated: number(row, 'emulated') === 1,
  holdUntil: row.removed_at === null ? dateOrNull(row, 'hold_until') : forever,
  holdReason: row.removed_at === null ? textOrNull(row, 'hold_reason') : 'it was removed',
})

/**
 * Accounts that take part. One that was removed while its session was being planned is among them, held, until that has ended:
 * a session is followed to its end.
 */
export const readAccounts = async (db: Queries): Promise<Account[]> =>
  (
    await db.all(
      `select * from accounts where removed_at is null
         or name in (select account from sessions where ended_at is null) order by name`,
    )
  ).map(toAccount)

/** Accounts that are lent. */
export const readLentAccounts = async (db: Queries): Promise<Account[]> =>
  (await db.all('select * from accounts where removed_at is null order by name')).map(toAccount)

/** Accounts of all times, for history. */
export const readEveryAccount = async (db: Queries): Promise<EveryAccount[]> =>
  (await db.all('select * from accounts order by name')).map((row) => ({
    ...toAccount(row),
    removedAt: dateOrNull(row, 'removed_at'),
  }))

/** An account by name, removed or not. */
export async function readAccount(db: Queries, name: string): Promise<Account | undefined> {
  const row = await db.first('select * from accounts where name = $1', name)
  return row && toAccount(row)
}

export async function insertAccount(db: Queries, account: Account, at: string): Promise<void> {
  await db.run(
    `insert into accounts (name, owner, provider, username, automation, weekly_seconds, reset_weekday, reset_hour,
       reset_zone, max_session_seconds, max_concurrent, margin_percent, emulated, created_at, driver, serves)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
    account.name,
    account.owner,
    account.provider,
    account.username,
    account.automation,
    account.weeklySeconds,
    account.reset.weekday,
    account.reset.hour,
    account.reset.zone,
    account.maxSessionSeconds,
    account.maxConcurrent,
    account.marginPercent,
    account.emulated ? 1 : 0,
    at,
    account.driver,
    account.serves ? 1 : 0,
  )
}

export async function writeHold(
  db: Queries,
  account: string,
  until: string,
  reason: string,
): Promise<void> {
  await db.run(
    'update accounts set hold_until = $1, hold_reason = $2 where name = $3',
    until,
    reason,
    account,
  )
}

/** An account that was removed is lent again, as it is now; its history is one with what was before. */
export async function reviveAccount(db: Queries, account: Account): Promise<void> {
  await db.run(
    `update accounts set owner = $1, username = $2, automation = $3, driver = $4, weekly_seconds = $5, max_session_seconds = $6,
       removed_at = null, removed_owner = null, removed_username = null, hold_until = null, hold_reason = null, serves = $7
     where name = $8`,
    account.owner,
    account.username,
    account.automation,
    account.driver,
    account.weeklySeconds,
    account.maxSessionSeconds,
    account.serves ? 1 : 0,
    account.name,
  )
}

/** Takes an account out of use; its owner and user name are free for another one. */
export async function markRemoved(db: Queries, name: string, at: string): Promise<void> {
  await db.run(
    `update accounts set removed_at = $1, removed_owner = owner, removed_username = username,
       owner = $2, username = $2, hold_until = null, hold_reason = null
     where name = $3 and removed_at is null`,
    at,
    `removed: ${name}`,
    name,
  )
}
