import type { AccountRows, Credentials } from '../control/accounts.ts'
import { rulesOf } from '../rotation/account.ts'
import { seal, unseal } from '../safekeeping/seal.ts'
import { insertAccount, readAccount, readAccounts, toAccount } from './account-rows.ts'
import { type Database, type Queries, text } from './database.ts'
import { insertEvent } from './event-rows.ts'

/** Accounts in the database; credentials sealed with `key`. */
export function accountBook(db: Database, key: Uint8Array, now: () => Date): AccountRows {
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
  return {
    all: () => readAccounts(db),
    named: (name) => readAccount(db, name),
    async ofOwner(provider, owner, emulated) {
      const row = await db.first(
        'select * from accounts where provider = $1 and owner = $2 and emulated = $3',
        provider,
        owner,
        emulated && provider !== 'local' ? 1 : 0,
      )
      return row && toAccount(row)
    },
    rulesAccepted: async (rules) =>
      (await db.first('select 1 as one from accepted_rules where provider = $1', rules)) !==
      undefined,
    add: (account, credentials) =>
      db.transaction(async (tx) => {
        const at = now().toISOString()
        await insertAccount(tx, account, at)
        await tx.run(
          'insert into accepted_rules values ($1, $2) on conflict (provider) do nothing',
          rulesOf(account.provider, account.driver),
          at,
        )
        if (credentials) await writeCredentials(tx, account.name, credentials, at)
        const { name, provider, owner, emulated } = account
        await insertEvent(
          tx,
          { kind: 'account.added', data: { account: name, provider, owner, emulated } },
          at,
        )
      }),
    renew: (name, credentials) =>
      db.transaction(async (tx) => {
        const at = now().toISOString()
        await writeCredentials(tx, name, credentials, at)
        await tx.run(
          'update accounts set username = $1, hold_until = null, hold_reason = null where name = $2',
          credentials.username,
          name,
        )
      }),
    async credentials(name) {
      const row = await db.first('select sealed from credentials where account = $1', name)
      if (!row) return undefined
      const opened: unknown = JSON.parse(unseal(key, `account ${name}`, text(row, 'sealed')))
      return opened as Credentials // sealed by writeCredentials alone, and authenticated
    },
  }
}
