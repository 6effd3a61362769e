import { type Adapter, versionOf } from '../artifacts/adapter.ts'
import { judge, type Promoted } from '../artifacts/promotion.ts'
import {
  insertMove,
  readAdapter,
  readPolicy,
  readPromoted,
  writeAsked,
  writeDecision,
} from './adapter-rows.ts'
import type { Queries } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { publishPromoted } from './publication-rows.ts'

const asPromoted = (adapter: Adapter): Promoted[] =>
  adapter.judged === null || adapter.score === null
    ? []
    : [
        {
          sha256: adapter.manifestSha256,
          version: versionOf(adapter),
          judged: adapter.judged,
          score: adapter.score,
        },
      ]

/** What the judge says of a candidate, beside all that were promoted in its line. */
export async function judged(tx: Queries, candidate: Adapter) {
  const promoted = await readPromoted(tx, candidate.line)
  const others = promoted.filter(({ number }) => number !== candidate.number)
  if (candidate.judged === null) {
    return { kind: 'ask' as const, why: 'its run has left no judgement of it' }
  }
  const known = others.flatMap(asPromoted)
  if (known.length === 0 && others.length > 0) {
    return { kind: 'ask' as const, why: 'nothing is known of the worth of those before it' }
  }
  return judge(candidate.judged, known)
}

/** Decides on a candidate by its line's policy, in the transaction of its commit. */
export async function decideCandidate(tx: Queries, which: number, at: Date): Promise<void> {
  const candidate = await readAdapter(tx, which)
  if (candidate?.state !== 'candidate') return
  if ((await readPolicy(tx, candidate.line)) === 'manual') {
    await writeAsked(tx, which, 'a person decides in this line')
    return
  }
  const decision = await judged(tx, candidate)
  if (decision.kind === 'ask') await writeAsked(tx, which, decision.why)
  else if (decision.kind === 'reject') {
    await rejectAdapter(tx, candidate, { ...decision, by: 'policy', at })
  } else await promoteAdapter(tx, candidate, { ...decision, by: 'policy', at })
}

interface Said {
  readonly score: number | null
  readonly why: string
  readonly by: string
  readonly at: Date
}

/** It is what its line serves from now on. */
export async function promoteAdapter(tx: Queries, adapter: Adapter, said: Said): Promise<void> {
  await writeDecision(tx, { number: adapter.number, state: 'promoted', ...said })
  await insertMove(tx, adapter, 'promoted', said.by, said.at)
  await publishPromoted(tx, adapter, said.at)
  await tell(tx, 'adapter.promoted', adapter, said)
}

export async function rejectAdapter(tx: Queries, adapter: Adapter, said: Said): Promise<void> {
  await writeDecision(tx, { number: adapter.number, state: 'rejected', ...said })
  await tell(tx, 'adapter.rejected', adapter, said)
}

/** The line serves `to` again; what it leaves is promoted no longer, and no bar for those that come. */
export async function rollBack(
  tx: Queries,
  from: Adapter,
  to: Adapter,
  said: Omit<Said, 'score'>,
): Promise<void> {
  await writeDecision(tx, { number: from.number, state: 'rejected', score: null, ...said })
  await writeDecision(tx, {
    ...said,
    number: to.number,
    state: 'promoted',
    score: null,
    why: to.why ?? said.why,
  })
  await insertMove(tx, to, 'rolled-back', said.by, said.at)
  await publishPromoted(tx, to, said.at)
  await tell(tx, 'adapter.rolled_back', to, said, versionOf(from))
}

const tell = (
  tx: Queries,
  kind: 'adapter.promoted' | 'adapter.rejected' | 'adapter.rolled_back',
  adapter: Adapter,
  { why, by, at }: Omit<Said, 'score'>,
  instead: string | null = null,
): Promise<void> =>
  insertEvent(
    tx,
    {
      kind,
      runId: adapter.runId,
      data: { version: versionOf(adapter), line: adapter.line, why, by, instead },
    },
    at.toISOString(),
  )
