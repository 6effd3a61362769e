import { setImmediate as breathe } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { AppError, messageOf } from '../lib/errors.ts'
import { type AuditHead, type AuditVerdict, auditVerifier } from '../safekeeping/audit.ts'

/** What a manifest says of a database. */
export interface DatabaseFacts {
  readonly schema: number
  readonly rows: Readonly<Record<string, number>>
  readonly openRuns: number
  readonly openSessions: number
  readonly newestGeneration: number
  readonly audit: AuditHead | null
  /** Versions of data sets, with what their files have to hash to. */
  readonly data: readonly {
    readonly version: string
    readonly sha256: Readonly<Record<string, string>>
  }[]
  readonly installation: string | null
}

type Row = Record<string, string | number | null>

/**
 * Looks into a database file that nobody else has open, of this program's form or of an older one; between two tables everything
 * else has its turn.
 * @throws AppError `invalid` (`backup_database_damaged`) for what is no database
 */
export async function factsOf(file: string): Promise<DatabaseFacts> {
  return look(file, async (db) => {
    const tables = tablesOf(db)
    const has = (name: string) => tables.includes(name)
    const one = (sql: string): number => Number((db.prepare(sql).get() as { n: number | null }).n)
    const rows: Record<string, number> = {}
    for (const name of tables) {
      rows[name] = one(`select count(*) as n from "${name}"`)
      await breathe()
    }
    const head = has('audit_head') ? (db.prepare('select * from audit_head').get() as Row) : null
    const data = has('dataset_versions')
      ? (db.prepare('select * from dataset_versions where train_rows > 0').all() as Row[])
      : []
    const own = has('installation')
      ? (db.prepare('select id from installation').get() as Row)
      : null
    return {
      schema: has('migrations') ? one('select max(number) as n from migrations') : 0,
      rows,
      openRuns: has('runs')
        ? one(`select count(*) as n from runs where state in ('queued', 'training', 'stopping')`)
        : 0,
      openSessions: has('sessions')
        ? one('select count(*) as n from sessions where ended_at is null')
        : 0,
      newestGeneration: has('runs') ? one('select coalesce(max(generation), 0) as n from runs') : 0,
      audit: head ? { number: Number(head.number), hash: String(head.hash) } : null,
      data: data.map((row) => ({
        version: String(row.version),
        sha256: { train: String(row.train_sha256), validation: String(row.validation_sha256) },
      })),
      installation: own ? String(own.id) : null,
    }
  })
}

/** Makes a copy one file that is all of it: no log beside it. */
export const settleCopy = (file: string): Promise<void> =>
  look(file, async (db) => void db.pragma('journal_mode = delete'))

/**
 * Whether SQLite finds a file whole: every page of every table and index, every reference, the chain of the audit log.
 * @throws AppError `invalid` (`backup_database_damaged`) that says what is not
 */
export async function checkDatabase(file: string): Promise<void> {
  await look(file, async (db) => {
    for (const name of tablesOf(db)) {
      const found = db.pragma(`integrity_check("${name}")`, { simple: true })
      if (found !== 'ok') throw damaged(`table ${name}: ${String(found)}`)
      await breathe()
      const [lost] = db.pragma(`foreign_key_check("${name}")`) as { parent: string }[]
      if (lost) throw damaged(`a row of ${name} leads to one of ${lost.parent} that is not there`)
      await breathe()
    }
    // What no table owns.
    const rest = db.pragma('quick_check', { simple: true })
    if (rest !== 'ok') throw damaged(String(rest))
    const verdict = await auditOf(db)
    if (verdict.kind === 'broken') throw damaged(`the audit log is broken: ${verdict.why}`)
  })
}

async function auditOf(db: Sqlite.Database): Promise<AuditVerdict> {
  const verifier = auditVerifier()
  if (!tablesOf(db).includes('audit_log')) return { kind: 'whole', lines: 0 }
  let seen = 0
  for (const row of db.prepare('select * from audit_log order by number').iterate()) {
    const line = row as Row
    verifier.see({
      number: Number(line.number),
      at: new Date(String(line.at)),
      who: String(line.who),
      what: String(line.what),
      outcome: Number(line.outcome),
      hash: String(line.hash),
    })
    seen += 1
  }
  if (seen > 0) await breathe()
  const head = db.prepare('select number, hash from audit_head').get() as Row | undefined
  return verifier.end(head ? { number: Number(head.number), hash: String(head.hash) } : null)
}

const tablesOf = (db: Sqlite.Database): string[] =>
  db
    .prepare(
      "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name",
    )
    .pluck()
    .all() as string[] // a text column

async function look<T>(file: string, work: (db: Sqlite.Database) => Promise<T>): Promise<T> {
  let db: Sqlite.Database | undefined
  try {
    db = new Sqlite(file, { fileMustExist: true })
    db.pragma('cache_size = -1024')
    return await work(db)
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code))
      throw damaged(messageOf(error), error)
    throw error
  } finally {
    db?.close()
  }
}

const damaged = (how: string, cause?: unknown): AppError =>
  new AppError('invalid', `the database in the backup is damaged: ${how}`, {
    code: 'backup_database_damaged',
    next: 'It was damaged before it was copied: take an older backup, and look at the disk of the service',
    ...(cause === undefined ? {} : { cause }),
  })
