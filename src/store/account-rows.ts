import type { Account, Automation, ColabDriver, ProviderName } from '../rotation/account.ts'
import { dateOrNull, number, type Queries, type Row, text, textOrNull } from './database.ts'

export const toAccount = (row: Row): Account => ({
  name: text(row, 'name'),
  owner: text(row, 'owner'),
  provider: text(row, 'provider') as ProviderName, // the column's check constraint
  username: text(row, 'username'),
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
  holdUntil: dateOrNull(row, 'hold_until'),
  holdReason: textOrNull(row, 'hold_reason'),
})

export const readAccounts = async (db: Queries): Promise<Account[]> =>
  (await db.all('select * from accounts order by name')).map(toAccount)

export async function readAccount(db: Queries, name: string): Promise<Account | undefined> {
  const row = await db.first('select * from accounts where name = $1', name)
  return row && toAccount(row)
}

export async function insertAccount(db: Queries, account: Account, at: string): Promise<void> {
  await db.run(
    `insert into accounts (name, owner, provider, username, automation, weekly_seconds, reset_weekday, reset_hour,
       reset_zone, max_session_seconds, max_concurrent, margin_percent, emulated, created_at, driver)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
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
