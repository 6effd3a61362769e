import Sqlite from 'better-sqlite3'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import type { Database, Queries, Row, Value } from './database.ts'

/** SQLite's own trouble, in words that say what to do. */
function explained(error: unknown, file: string): unknown {
  const code = systemCode(error) ?? ''
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code.startsWith('SQLITE_IOERR')) {
    return new AppError('disk-full', `the disk that holds ${file} takes no more (${code})`, {
      code: 'disk_full',
      next: 'Free space on that disk; nothing was half-written, and work goes on by itself',
      cause: error,
    })
  }
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB') {
    return new AppError('internal', `${file} is damaged (${code})`, {
      code: 'database_damaged',
      next: 'Stop the service, then put a backup in its place: rodizio backup list, rodizio restore NAME --into FOLDER --force',
      cause: error,
    })
  }
  return error
}

/**
 * Opens the one SQLite file of the service: WAL, every commit flushed to disk (`synchronous=FULL`), foreign keys on.
 * Statements outside a transaction wait while one is open, so that nothing slips into somebody else's.
 * @throws AppError `internal` when the file is no database, `disk-full` when the disk is full
 */
export function openSqlite(file: string): Database {
  const connection = connect(file)
  const prepared = new Map<string, Sqlite.Statement>()
  let turn: Promise<unknown> = Promise.resolve()

  const statement = (sql: string): Sqlite.Statement => {
    const known = prepared.get(sql)
    if (known) return known
    const made = connection.prepare(sql)
    prepared.set(sql, made)
    return made
  }
  const bound = (values: Value[]) => [Object.fromEntries(values.map((v, i) => [String(i + 1), v]))]
  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw explained(error, file)
    }
  }
  const direct: Queries = {
    all: async (sql, ...values) => guarded(() => statement(sql).all(...bound(values)) as Row[]),
    first: async (sql, ...values) =>
      guarded(() => statement(sql).get(...bound(values)) as Row | undefined),
    run: async (sql, ...values) => guarded(() => statement(sql).run(...bound(values)).changes),
  }
  /** One after the other: a failed turn does not stop the next. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work)
    turn = result.catch(() => undefined)
    return result
  }
  return {
    all: (sql, ...values) => inTurn(() => direct.all(sql, ...values)),
    first: (sql, ...values) => inTurn(() => direct.first(sql, ...values)),
    run: (sql, ...values) => inTurn(() => direct.run(sql, ...values)),
    transaction: (work) =>
      inTurn(async () => {
        await direct.run('begin immediate')
        try {
          const result = await work(direct)
          await direct.run('commit')
          return result
        } catch (error) {
          // SQLite has rolled back by itself after some errors (a full disk among them).
          if (connection.inTransaction) await direct.run('rollback')
          throw error
        }
      }),
    async copyTo(target) {
      let done: Promise<unknown> = Promise.resolve()
      try {
        // Begun between two transactions: SQLite cannot say how much there is to copy while one of ours is open.
        await inTurn(
          () =>
            new Promise<void>((begun, failed) => {
              const progress = () => {
                begun()
                return pagesAtOnce
              }
              done = connection.backup(target, { progress })
              done.then(() => begun(), failed)
            }),
        )
        await done
      } catch (error) {
        throw explained(error, target)
      }
    },
    close: () => inTurn(async () => void connection.close()),
  }
}

/** Between two steps of a copy everything else has its turn: 256 KB take a moment that nobody notices. */
const pagesAtOnce = 64

function connect(file: string): Sqlite.Database {
  try {
    const connection = new Sqlite(file)
    connection.pragma('journal_mode = wal')
    connection.pragma('synchronous = full')
    connection.pragma('foreign_keys = on')
    connection.pragma('cache_size = -1024')
    return connection
  } catch (error) {
    const better = explained(error, file)
    if (better instanceof AppError) throw better
    throw new AppError('internal', `cannot open the database ${file}: ${messageOf(error)}`, {
      next: 'Check that the data folder exists and that this user may write there',
      cause: error,
    })
  }
}
