import type { Adapter, AdapterState, PromotionPolicy } from '../artifacts/adapter.ts'
import { judgementOf } from '../artifacts/judgement.ts'
import {
  date,
  dateOrNull,
  number,
  numberOrNull,
  type Queries,
  type Row,
  text,
  textOrNull,
} from './database.ts'

export const toAdapter = (row: Row): Adapter => {
  const judged = textOrNull(row, 'judged')
  return {
    number: number(row, 'number'),
    line: text(row, 'line'),
    runId: text(row, 'run_id'),
    runName: text(row, 'run_name'),
    label: text(row, 'label'),
    generation: number(row, 'generation'),
    step: number(row, 'step'),
    manifestSha256: text(row, 'manifest_sha256'),
    bytes: Number(text(row, 'bytes')),
    base: text(row, 'base'),
    judged: judged === null ? null : (JSON.parse(judged) as Adapter['judged']), // written below alone
    state: text(row, 'state') as AdapterState, // the column's check constraint
    score: numberOrNull(row, 'score'),
    why: textOrNull(row, 'why'),
    createdAt: date(row, 'created_at'),
    decidedAt: dateOrNull(row, 'decided_at'),
    decidedBy: textOrNull(row, 'decided_by'),
  }
}

/** What a commit says of an artifact. */
export interface CommittedArtifact {
  readonly runId: string
  readonly label: string
  readonly step: number
  readonly generation: number
  readonly manifestSha256: string
  readonly bytes: number
  readonly metrics: Readonly<Record<string, unknown>>
}

/**
 * An artifact becomes a candidate of its line; a rehearsal becomes none. In the transaction of its commit; a second time changes nothing.
 * @returns its number; null for what is no candidate
 */
export async function insertCandidate(
  tx: Queries,
  artifact: CommittedArtifact,
  at: string,
): Promise<number | null> {
  if (artifact.label === 'dry') return null
  const run = await tx.first(
    `select r.name, r.plan, d.validation_sha256 from runs r join dataset_versions d on d.version = r.dataset_version
     where r.id = $1`,
    artifact.runId,
  )
  if (!run) return null
  const name = text(run, 'name')
  const plan = JSON.parse(text(run, 'plan')) as { base?: unknown; fromAdapter?: unknown } // written by insertRun alone
  const from = typeof plan.fromAdapter === 'string' ? plan.fromAdapter : undefined
  const judged = judgementOf(artifact.metrics, text(run, 'validation_sha256'), from)
  await tx.run(
    `insert into adapters (number, line, run_id, run_name, label, generation, step, manifest_sha256, bytes, base, judged, state,
       created_at)
     values ((select max(coalesce((select max(number) from adapters), 0), coalesce((select max(adapters_from) from restores), 0)) + 1), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'candidate', $11)
     on conflict (manifest_sha256) do nothing`,
    await lineOf(tx, artifact.runId, name, from),
    artifact.runId,
    name,
    artifact.label,
    artifact.generation,
    artifact.step,
    artifact.manifestSha256,
    String(artifact.bytes),
    String(plan.base ?? ''),
    judged === null ? null : JSON.stringify(judged),
    at,
  )
  const row = await tx.first(
    'select number from adapters where manifest_sha256 = $1',
    artifact.manifestSha256,
  )
  return number(row ?? {}, 'number')
}

/** The standing run that opened it, the line of the adapter that it began with, or its own name. */
async function lineOf(
  tx: Queries,
  runId: string,
  name: string,
  from: string | undefined,
): Promise<string> {
  const standing = await tx.first(
    'select s.name from standing_openings o join standing_runs s on s.id = o.standing_id where o.run_id = $1',
    runId,
  )
  if (standing) return text(standing, 'name')
  const before =
    from === undefined
      ? undefined
      : await tx.first('select line from adapters where manifest_sha256 = $1', from)
  return before ? text(before, 'line') : name
}

export const readAdapter = async (db: Queries, which: number): Promise<Adapter | undefined> => {
  const row = await db.first('select * from adapters where number = $1', which)
  return row && toAdapter(row)
}

/** Of a line, the newest first; of all lines where none is given. */
export const readAdapters = async (
  db: Queries,
  line: string | null,
  before: number,
  limit: number,
): Promise<Adapter[]> =>
  (
    await db.all(
      `select * from adapters where number < $1 and ($2 = '' or line = $2) order by number desc limit $3`,
      before,
      line ?? '',
      limit,
    )
  ).map(toAdapter)

/** Those that nobody has decided on, the oldest first. */
export const readUndecided = async (db: Queries): Promise<Adapter[]> =>
  (await db.all("select * from adapters where state = 'candidate' order by number")).map(toAdapter)

/** All that were ever promoted in a line, the oldest first. */
export const readPromoted = async (db: Queries, line: string): Promise<Adapter[]> =>
  (
    await db.all(
      "select * from adapters where line = $1 and state = 'promoted' order by number",
      line,
    )
  ).map(toAdapter)

/** The version of a line that is served now: the one of its newest move that is still promoted; undefined where none is. */
export async function readHead(db: Queries, line: string): Promise<Adapter | undefined> {
  const row = await db.first(
    `select a.* from adapter_moves m join adapters a on a.number = m.number where m.line = $1 and a.state = 'promoted'
     order by m.id desc limit 1`,
    line,
  )
  return row && toAdapter(row)
}

/** What each line serves now, the line that moved last first. */
export const readHeads = async (db: Queries): Promise<Adapter[]> =>
  (
    await db.all(
      `select a.* from adapter_moves m join adapters a on a.number = m.number
       where m.id in (select max(o.id) from adapter_moves o join adapters b on b.number = o.number
         where b.state = 'promoted' group by o.line) order by m.id desc`,
    )
  ).map(toAdapter)

export async function readPolicy(db: Queries, line: string): Promise<PromotionPolicy> {
  const row = await db.first('select policy from adapter_lines where line = $1', line)
  return row ? (text(row, 'policy') as PromotionPolicy) : 'auto' // the column's check constraint
}

export const writePolicy = (tx: Queries, line: string, policy: PromotionPolicy): Promise<number> =>
  tx.run(
    `insert into adapter_lines (line, policy) values ($1, $2) on conflict (line) do update set policy = $2`,
    line,
    policy,
  )

export interface Decided {
  readonly number: number
  readonly state: AdapterState
  readonly score: number | null
  readonly why: string
  readonly by: string
  readonly at: Date
}

export const writeDecision = (tx: Queries, decided: Decided): Promise<number> =>
  tx.run(
    `update adapters set state = $1, score = coalesce($2, score), why = $3, decided_at = $4, decided_by = $5 where number = $6`,
    decided.state,
    decided.score,
    decided.why,
    decided.at.toISOString(),
    decided.by,
    decided.number,
  )

/** Why nobody but a person can decide; it stays a candidate. */
export const writeAsked = (tx: Queries, which: number, why: string): Promise<number> =>
  tx.run("update adapters set why = $1 where number = $2 and state = 'candidate'", why, which)

export const insertMove = (
  tx: Queries,
  { line, number: which }: Pick<Adapter, 'line' | 'number'>,
  kind: 'promoted' | 'rolled-back',
  by: string,
  at: Date,
): Promise<number> =>
  tx.run(
    `insert into adapter_moves (id, line, number, kind, at, by)
     values ((select coalesce(max(id), 0) + 1 from adapter_moves), $1, $2, $3, $4, $5)`,
    line,
    which,
    kind,
    at.toISOString(),
    by,
  )

/** What was served in a line, one after the other, the newest first. */
export const readMoves = async (
  db: Queries,
  line: string,
): Promise<{ number: number; kind: 'promoted' | 'rolled-back'; at: Date; by: string }[]> =>
  (
    await db.all('select * from adapter_moves where line = $1 order by id desc limit 100', line)
  ).map((row) => ({
    number: number(row, 'number'),
    kind: text(row, 'kind') as 'promoted' | 'rolled-back', // the column's check constraint
    at: date(row, 'at'),
    by: text(row, 'by'),
  }))
