import { readdirSync, readFileSync } from 'node:fs'
import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { type Database, number, text } from './database.ts'

/** Statements of a migration file: comments stripped, split at the semicolons that end a line. */
const statements = (sql: string): string[] =>
  sql
    .replaceAll(/--.*$/gm, '')
    .split(/;\s*$/m)
    .map((part) => part.trim())
    .filter((part) => part !== '')

const filesIn = (folder: URL): string[] =>
  readdirSync(folder)
    .filter((name) => /^\d{4}_.+\.sql$/.test(name))
    .toSorted()

const numberOf = (name: string): number => Number(name.slice(0, 4))

/** The newest form of the database that this program knows. */
export const newestForm = (folder: URL): number => Math.max(0, ...filesIn(folder).map(numberOf))

/**
 * Brings the database to the newest form, all that is missing in one transaction, never twice: it is in the old form or in the new one.
 * @throws AppError `internal` when an applied file was changed since, or the database is newer than the program
 */
export async function migrate(db: Database, folder: URL, now: Date): Promise<void> {
  await db.run(
    'create table if not exists migrations (number integer primary key, sha256 text not null, applied_at text not null)',
  )
  const applied = new Map(
    (await db.all('select number, sha256 from migrations')).map((row) => [
      number(row, 'number'),
      text(row, 'sha256'),
    ]),
  )
  const files = filesIn(folder)
  const newest = Math.max(0, ...applied.keys())
  const known = newestForm(folder)
  if (newest > known) {
    throw new AppError(
      'internal',
      `the database is at form ${newest}, this program knows ${known}`,
      {
        code: 'database_newer',
        next: 'Start the newer version of Rodízio that wrote it, or restore an older backup',
      },
    )
  }
  const missing: { readonly id: number; readonly sql: string; readonly sha256: string }[] = []
  for (const name of files) {
    const sql = readFileSync(new URL(name, folder), 'utf8')
    const id = numberOf(name)
    const sha256 = sha256Hex(sql)
    const before = applied.get(id)
    if (before === sha256) continue
    if (before !== undefined) {
      throw new AppError('internal', `migration ${name} was changed after it was applied`, {
        next: 'Put the file back as it was and write a new, higher-numbered one',
      })
    }
    missing.push({ id, sql, sha256 })
  }
  if (missing.length === 0) return
  await db.transaction(async (tx) => {
    for (const { id, sql, sha256 } of missing) {
      for (const statement of statements(sql)) await tx.run(statement)
      await tx.run('insert into migrations values ($1, $2, $3)', id, sha256, now.toISOString())
    }
  })
}
