import { newId } from '../lib/random.ts'
import { reduce } from '../rotation/engine/reduce.ts'
import type { BackupManifest } from '../safekeeping/backup-manifest.ts'
import { auditLog } from './audit-rows.ts'
import { type Database, number, type Queries, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { loadState } from './load-state.ts'
import { saveChanges } from './save-changes.ts'

/** What a restore has done, and what a person still has to do. */
export interface MovedOn {
  readonly endedSessions: number
  readonly runs: number
  /** Messages that were on their way out when the backup was made: they may have been sent since, and are not sent again. */
  readonly parkedMessages: number
  /** Sealed secrets in the books, by whose they are. */
  readonly sealed: readonly string[]
}

/** So many versions of adapters an hour are reckoned with in the time that was lost. */
const adaptersAnHour = 6

/**
 * Moves a database that comes from a backup past the time that was lost, in one transaction: whatever was given out before is
 * good for nothing any more, and nothing that is given out from here on was ever given out.
 */
export async function moveOn(
  db: Database,
  backup: BackupManifest,
  hasCheckpoints: boolean,
  now: Date,
): Promise<MovedOn> {
  const at = now.toISOString()
  const moved = await db.transaction(async (tx) => {
    const input = {
      kind: 'restored' as const,
      reason: `the service was restored from its backup of ${backup.madeAt.slice(0, 16)}Z`,
    }
    const state = await loadState(tx, input, now)
    const { changes } = reduce(state, input, now)
    // First: what the ends below have to tell is news.
    const parkedMessages = await leaveUnsent(tx, at)
    await saveChanges(tx, state, changes, at)
    await tx.run('update transfers set spent_at = $1 where spent_at is null', at)
    const lostHours = Math.max(0, (now.getTime() - Date.parse(backup.madeAt)) / 3_600_000)
    const newest = await tx.first('select coalesce(max(number), 0) as n from adapters')
    await tx.run(
      `insert into restores (number, at, backup, made_at, adapters_from, wants_checkpoints)
       values ((select coalesce(max(number), 0) + 1 from restores), $1, $2, $3, $4, $5)`,
      at,
      backup.name,
      backup.madeAt,
      (newest ? number(newest, 'n') : 0) + 10 + Math.ceil(lostHours * adaptersAnHour),
      hasCheckpoints ? 1 : 0,
    )
    const endedSessions = [...changes.sessions.values()].filter(({ endedAt }) => endedAt).length
    const sealed = await sealedIn(tx)
    const runs = changes.runs.size
    const data = { backup: backup.name, madeAt: backup.madeAt, endedSessions, runs, parkedMessages }
    await insertEvent(tx, { kind: 'service.restored', data }, at)
    return { endedSessions, runs, parkedMessages, sealed }
  })
  await auditLog(db, () => now).add({
    who: 'restore',
    what: `restored ${backup.name}`,
    outcome: 200,
  })
  return moved
}

/** Whoever made the backup has lived on, and sent what was about to be sent. */
async function leaveUnsent(tx: Queries, at: string): Promise<number> {
  await tx.run(
    `update tellings set state = 'left-out' where state = 'held' and not_before <= $1`,
    at,
  )
  await tx.run("update alerts set state = 'silenced' where state = 'waiting' and due_at <= $1", at)
  return tx.run(
    `update envelopes set state = 'parked', ended_at = $1, claimed_by = null,
       said = 'it was on its way when the backup was made, and may have been sent: rodizio alerts retry sends it again'
     where state = 'waiting'`,
    at,
  )
}

async function sealedIn(tx: Queries): Promise<string[]> {
  const names = async (sql: string) => (await tx.all(sql)).map((row) => text(row, 'name'))
  return [
    ...(await names("select 'account ' || account as name from credentials order by account")),
    ...(await names(
      "select 'Google sign-in' as name from google_sign_ins where state = 'good' limit 1",
    )),
    ...(await names(
      "select 'channel ' || name as name from channels where sealed is not null order by name",
    )),
    ...(await names("select 'hub token' as name from hub_tokens limit 1")),
    ...(await names(
      `select 'deep probes of ' || n.name as name from deep_checks d join nodes n on n.id = d.node_id
       where d.sealed is not null order by n.name`,
    )),
  ]
}

/** Which data folder this is; made when it is first asked for. */
export async function installationOf(db: Database): Promise<string> {
  await db.run(
    'insert into installation (one, id) values (1, $1) on conflict (one) do nothing',
    newId('place'),
  )
  const row = await db.first('select id from installation')
  return row ? text(row, 'id') : ''
}
