import type { DeepGiven } from '../control/deep-given.ts'
import { type DeepCheck, deepBase } from '../health/deep-check.ts'
import { type DeepWatch, newDeepWatch } from '../health/deep-watch.ts'
import type { Node } from '../health/node.ts'
import { seal, unseal } from '../safekeeping/seal.ts'
import { number, type Queries, type Row, text, textOrNull } from './database.ts'

/** A watch as it is kept: times as ms since 1970, the next probe in a column of its own. */
interface KeptDeep {
  readonly st: DeepWatch['state']
  readonly si: number
  readonly b: number | null
  readonly w: string | null
  readonly g: number | null
  readonly a: number | null
  readonly t: number | null
  readonly e: number | null
}

const ms = (at: Date | null): number | null => at?.getTime() ?? null
const dateAt = (at: number | null): Date | null => (at === null ? null : new Date(at))

const keptDeep = (deep: DeepWatch): string =>
  JSON.stringify({
    st: deep.state,
    si: deep.since.getTime(),
    b: ms(deep.badSince),
    w: deep.words,
    g: ms(deep.goodAt),
    a: ms(deep.askedAt),
    t: deep.tokenMs,
    e: deep.endMs,
  } satisfies KeptDeep)

export function toDeep(row: Row): DeepCheck {
  const kept = JSON.parse(text(row, 'standing')) as KeptDeep // written by keptDeep alone
  return {
    baseUrl: textOrNull(row, 'base_url'),
    model: textOrNull(row, 'model'),
    hasKey: textOrNull(row, 'sealed') !== null,
    everySeconds: number(row, 'every_seconds'),
    turnSeconds: number(row, 'deep_turn_seconds'),
    watch: {
      state: kept.st,
      since: new Date(kept.si),
      badSince: dateAt(kept.b),
      words: kept.w,
      goodAt: dateAt(kept.g),
      askedAt: dateAt(kept.a),
      tokenMs: kept.t,
      endMs: kept.e,
      nextAt: new Date(number(row, 'next_ms')),
    },
  }
}

/** Deep checks by the ids of their nodes. @param nodeId of the one that is wanted; all when left out */
export async function readDeeps(db: Queries, nodeId = ''): Promise<Map<string, DeepCheck>> {
  const rows = await db.all("select * from deep_checks where $1 = '' or node_id = $1", nodeId)
  return new Map(rows.map((row) => [text(row, 'node_id'), toDeep(row)]))
}

/** Bound to the node and the origin: stored for another place it cannot be opened, whatever stands beside it. */
const purpose = (nodeId: string, origin: string): string => `deep probe of ${nodeId} at ${origin}`

/** As given anew: nothing is known of it yet, and it is due. */
export async function putDeep(
  tx: Queries,
  nodeId: string,
  { baseUrl, model, everySeconds, origin, key }: DeepGiven,
  secretKey: Uint8Array,
  at: Date,
): Promise<void> {
  const sealed = key.kind === 'given' ? seal(secretKey, purpose(nodeId, origin), key.key) : null
  await tx.run(
    `insert into deep_checks (node_id, base_url, model, sealed, every_seconds, deep_turn_seconds, standing, next_ms)
     values ($1, $2, $3, $4, $5, $5, $6, $7)
     on conflict (node_id) do update set base_url = excluded.base_url, model = excluded.model,
       sealed = case when $8 = 1 then deep_checks.sealed else excluded.sealed end, every_seconds = excluded.every_seconds,
       deep_turn_seconds = excluded.every_seconds, standing = excluded.standing, next_ms = excluded.next_ms`,
    nodeId,
    baseUrl,
    model,
    sealed,
    everySeconds,
    keptDeep(newDeepWatch(at)),
    at.getTime(),
    key.kind === 'kept' ? 1 : 0,
  )
}

/** With its key. */
export const dropDeep = async (tx: Queries, nodeId: string): Promise<void> =>
  void (await tx.run('delete from deep_checks where node_id = $1', nodeId))

/**
 * The key that goes to a node; null where none was given.
 * @throws AppError `internal` (`sealed_with_another_key`) where it was stored with another key, or for another place
 */
export async function readDeepKey(
  db: Queries,
  node: Node,
  deep: DeepCheck,
  secretKey: Uint8Array,
): Promise<string | null> {
  const row = await db.first('select sealed from deep_checks where node_id = $1', node.id)
  const sealed = row && textOrNull(row, 'sealed')
  if (!sealed) return null
  const { origin } = new URL(deepBase(node.url ?? '', deep.baseUrl))
  return unseal(secretKey, purpose(node.id, origin), sealed)
}

/** What a deep probe has shown. @returns whether it was written: one that was given anew meanwhile keeps what it has */
export async function updateDeep(
  tx: Queries,
  nodeId: string,
  watch: DeepWatch,
  read: Date,
): Promise<boolean> {
  const changed = await tx.run(
    'update deep_checks set standing = $1, next_ms = $2 where node_id = $3 and next_ms = $4',
    keptDeep(watch),
    watch.nextAt.getTime(),
    nodeId,
    read.getTime(),
  )
  return changed > 0
}
