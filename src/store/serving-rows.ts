import type { ServingConsent, ServingRows } from '../control/accept-serving.ts'
import { unknownAccount } from '../control/account-access.ts'
import { readAccount } from './account-rows.ts'
import { type Database, date, number, type Queries, text } from './database.ts'
import { insertEvent } from './event-rows.ts'

/** Who has accepted the rule of serving; see `ServingRows`. */
export function servingRows(db: Database, now: () => Date): ServingRows {
  return {
    consent: (name) => consentOf(db, name),
    accept: (name, hasRule) =>
      db.transaction(async (tx) => {
        const before = await consentOf(tx, name)
        if (before.account.serves) return before
        const at = now().toISOString()
        const { owner, provider } = before.account
        if (hasRule) {
          // Accepted, taken back and accepted again within one tick of the clock is accepted.
          await tx.run(
            `insert into serving_acceptances (account, owner, accepted_at) values ($1, $2, $3)
             on conflict (account, accepted_at) do update set revoked_at = null`,
            name,
            owner,
            at,
          )
        }
        await tx.run('update accounts set serves = 1 where name = $1', name)
        const data = { account: name, provider, owner, hasRule }
        await insertEvent(tx, { kind: 'account.serving_accepted', data }, at)
        return consentOf(tx, name)
      }),
    revoke: (name) =>
      db.transaction(async (tx) => {
        const before = await consentOf(tx, name)
        if (!before.account.serves) return before
        const at = now().toISOString()
        await takeBackServing(tx, name, at)
        const { owner, provider } = before.account
        const data = { account: name, provider, owner, live: before.live }
        await insertEvent(tx, { kind: 'account.serving_revoked', data }, at)
        return consentOf(tx, name)
      }),
  }
}

/** The account serves no longer; what was accepted stays on record. */
export async function takeBackServing(tx: Queries, name: string, at: string): Promise<void> {
  await tx.run('update accounts set serves = 0 where name = $1', name)
  await tx.run(
    'update serving_acceptances set revoked_at = $1 where account = $2 and revoked_at is null',
    at,
    name,
  )
}

/** By whom and when the rule was accepted that stands now, by account. */
export async function readAcceptances(
  db: Queries,
): Promise<ReadonlyMap<string, NonNullable<ServingConsent['accepted']>>> {
  const rows = await db.all(
    'select * from serving_acceptances where revoked_at is null order by accepted_at',
  )
  return new Map(
    rows.map((row) => [
      text(row, 'account'),
      { by: text(row, 'owner'), at: date(row, 'accepted_at') },
    ]),
  )
}

async function consentOf(db: Queries, name: string): Promise<ServingConsent> {
  const account = await readAccount(db, name)
  const lent = await db.first(
    'select 1 as one from accounts where name = $1 and removed_at is null',
    name,
  )
  if (!account || !lent) throw unknownAccount(name)
  const live = await db.first(
    'select count(*) as n from sessions where account = $1 and serves = 1 and ended_at is null',
    name,
  )
  const accepted = (await readAcceptances(db)).get(name) ?? null
  return { account, accepted, live: number(live ?? {}, 'n') }
}
