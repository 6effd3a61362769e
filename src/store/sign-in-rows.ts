import type { SignInRows } from '../control/google-sign-in.ts'
import { seal, unseal } from '../safekeeping/seal.ts'
import { type Database, text } from './database.ts'
import { insertEvent } from './event-rows.ts'

/** Sign-ins at Google in the database, refresh tokens sealed with `key`. */
export const signInRows = (db: Database, key: Uint8Array, now: () => Date): SignInRows => ({
  async read(clientId) {
    const row = await db.first('select * from google_sign_ins where client_id = $1', clientId)
    if (!row) return undefined
    const refreshToken = unseal(key, `google ${clientId}`, text(row, 'sealed'))
    return { refreshToken, state: row.state === 'good' ? 'good' : 'revoked' }
  },
  write: (clientId, refreshToken) =>
    db.transaction(async (tx) => {
      const at = now().toISOString()
      await tx.run(
        `insert into google_sign_ins (client_id, sealed, state, written_at) values ($1, $2, 'good', $3)
         on conflict (client_id) do update set sealed = excluded.sealed, state = 'good', written_at = excluded.written_at`,
        clientId,
        seal(key, `google ${clientId}`, refreshToken),
        at,
      )
      await insertEvent(tx, { kind: 'google.signed_in', data: {} }, at)
    }),
  markRevoked: (clientId) =>
    db.transaction(async (tx) => {
      const at = now().toISOString()
      const changed = await tx.run(
        "update google_sign_ins set state = 'revoked' where client_id = $1 and state = 'good'",
        clientId,
      )
      if (changed > 0) await insertEvent(tx, { kind: 'google.signed_out', data: {} }, at)
      return changed > 0
    }),
  remove: (clientId) =>
    db.transaction(async (tx) => {
      const removed = await tx.run('delete from google_sign_ins where client_id = $1', clientId)
      const data = { asked: true }
      if (removed > 0)
        await insertEvent(tx, { kind: 'google.signed_out', data }, now().toISOString())
      return removed > 0
    }),
})
