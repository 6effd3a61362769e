import { type Adapter, versionOf } from '../artifacts/adapter.ts'
import type { AdapterRows } from '../control/adapters.ts'
import { AppError } from '../lib/errors.ts'
import {
  readAdapter,
  readAdapters,
  readHead,
  readHeads,
  readMoves,
  readPolicy,
  readPromoted,
  writePolicy,
} from './adapter-rows.ts'
import type { Database, Queries } from './database.ts'
import { judged, promoteAdapter, rejectAdapter, rollBack } from './decide-adapter.ts'

/** Adapters in the database; see `AdapterRows`. */
export function adapterRows(db: Database, now: () => Date): AdapterRows {
  return {
    find: (which) => readAdapter(db, which),
    async list(line, before, limit) {
      const found = await readAdapters(db, line, before ?? Number.MAX_SAFE_INTEGER, limit + 1)
      const served = new Set((await readHeads(db)).map(({ number }) => number))
      const items = found
        .slice(0, limit)
        .map((adapter) => ({ adapter, isServed: served.has(adapter.number) }))
      return { items, next: found.length > limit ? (items.at(-1)?.adapter.number ?? null) : null }
    },
    heads: () => readHeads(db),
    moves: async (line) =>
      (await readMoves(db, line)).map((move) => ({ ...move, version: versionOf(move) })),
    policy: (line) => readPolicy(db, line),
    setPolicy: async (line, policy) => void (await writePolicy(db, line, policy)),
    promote: (which, by, why) =>
      db.transaction(async (tx) => {
        const adapter = await mustRead(tx, which)
        const head = await readHead(tx, adapter.line)
        if (head?.number === which) return
        await promoteAdapter(tx, adapter, {
          score: await scoreFor(tx, adapter),
          why,
          by,
          at: now(),
        })
      }),
    reject: (which, by, why) =>
      db.transaction(async (tx) => {
        const adapter = await mustRead(tx, which)
        const head = await readHead(tx, adapter.line)
        const other = head?.number === which && (await before(tx, adapter.line, which))
        if (other) {
          throw new AppError(
            'conflict',
            `${versionOf(adapter)} is what the line ${adapter.line} serves`,
            {
              code: 'adapter_served',
              next: `Go back to v${other} instead: rodizio adapters rollback ${adapter.line}`,
            },
          )
        }
        await rejectAdapter(tx, adapter, { score: null, why, by, at: now() })
      }),
    rollBack: (line, to, by, why) =>
      db.transaction(async (tx) => {
        const head = await readHead(tx, line)
        const target = to ?? (await before(tx, line, head?.number))
        const found = target === undefined ? undefined : await readAdapter(tx, target)
        if (!head || !found || found.number === head.number) {
          throw new AppError('conflict', `the line ${line} has nothing to go back to`, {
            code: 'nothing_before',
            next: `rodizio adapters list --line ${line} shows what there is to promote`,
          })
        }
        await rollBack(tx, head, found, { why, by, at: now() })
        return (await readAdapter(tx, found.number)) ?? found
      }),
  }
}

async function mustRead(tx: Queries, which: number): Promise<Adapter> {
  const adapter = await readAdapter(tx, which)
  if (adapter) return adapter
  throw new AppError('not-found', `there is no adapter v${which}`, { code: 'adapter_unknown' })
}

/** The newest promoted one that was served before the one that is served now. */
async function before(
  tx: Queries,
  line: string,
  head: number | undefined,
): Promise<number | undefined> {
  const promoted = new Set((await readPromoted(tx, line)).map(({ number }) => number))
  return (await readMoves(tx, line)).find(({ number }) => number !== head && promoted.has(number))
    ?.number
}

/** As the judge has it; where nothing compares a person's word puts it level with the best, so that the bar stays where it is. */
async function scoreFor(tx: Queries, adapter: Adapter): Promise<number | null> {
  const decision = await judged(tx, adapter)
  if (decision.kind !== 'ask') return decision.score
  const scores = (await readPromoted(tx, adapter.line)).flatMap(({ score }) => score ?? [])
  return scores.length > 0 ? Math.min(...scores) : (adapter.judged?.loss ?? null)
}
