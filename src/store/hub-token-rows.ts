import type { HubTokenRows } from '../control/hub-access.ts'
import { seal, unseal } from '../safekeeping/seal.ts'
import { type Database, text } from './database.ts'
import { insertEvent } from './event-rows.ts'

const purpose = (hub: string): string => `hub ${hub}`

/** Tokens of model hubs in the database, sealed with `key`. */
export const hubTokenRows = (db: Database, key: Uint8Array, now: () => Date): HubTokenRows => ({
  async read(hub) {
    const row = await db.first('select * from hub_tokens where hub = $1', hub)
    if (!row) return undefined
    return {
      token: unseal(key, purpose(hub), text(row, 'sealed')),
      user: text(row, 'user_name'),
      role: text(row, 'role'),
      state: row.state === 'good' ? 'good' : 'refused',
    }
  },
  write: (hub, { token, user, role }) =>
    db.transaction(async (tx) => {
      const at = now().toISOString()
      await tx.run(
        `insert into hub_tokens (hub, sealed, user_name, role, state, written_at) values ($1, $2, $3, $4, 'good', $5)
         on conflict (hub) do update set sealed = excluded.sealed, user_name = excluded.user_name, role = excluded.role,
           state = 'good', written_at = excluded.written_at`,
        hub,
        seal(key, purpose(hub), token),
        user,
        role,
        at,
      )
      await insertEvent(tx, { kind: 'hub.signed_in', data: { hub, user } }, at)
    }),
  markRefused: (hub, token) =>
    db.transaction(async (tx) => {
      const row = await tx.first(
        "select sealed from hub_tokens where hub = $1 and state = 'good'",
        hub,
      )
      if (!row || unseal(key, purpose(hub), text(row, 'sealed')) !== token) return
      await tx.run("update hub_tokens set state = 'refused' where hub = $1", hub)
      await insertEvent(tx, { kind: 'hub.signed_out', data: { hub } }, now().toISOString())
    }),
  remove: (hub) =>
    db.transaction(async (tx) => {
      const removed = await tx.run('delete from hub_tokens where hub = $1', hub)
      const data = { hub, asked: true }
      if (removed > 0) await insertEvent(tx, { kind: 'hub.signed_out', data }, now().toISOString())
      return removed > 0
    }),
})
