import type { FileIndex, IndexedFile } from '../artifacts/file-index.ts'
import { type Database, date, number, type Row, text } from './database.ts'

const toFile = (row: Row): IndexedFile => ({
  key: text(row, 'key'),
  fileId: text(row, 'file_id'),
  clientId: text(row, 'client_id'),
  bytes: number(row, 'bytes'),
  sha256: text(row, 'sha256'),
  state: row.state === 'whole' ? 'whole' : 'opened',
})

/** Ids of Drive files in the database; see `FileIndex`. */
export const fileIndexRows = (db: Database, now: () => Date): FileIndex => ({
  async get(key) {
    const row = await db.first('select * from drive_files where key = $1', key)
    return row && toFile(row)
  },
  async put(file) {
    await db.run(
      `insert into drive_files (key, file_id, client_id, bytes, sha256, state, written_at)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (key) do update set file_id = excluded.file_id, client_id = excluded.client_id,
         bytes = excluded.bytes, sha256 = excluded.sha256, state = excluded.state, written_at = excluded.written_at`,
      file.key,
      file.fileId,
      file.clientId,
      String(file.bytes),
      file.sha256,
      file.state,
      now().toISOString(),
    )
  },
  below: async (prefix) =>
    (
      await db.all(
        'select * from drive_files where substr(key, 1, $1) = $2 order by key',
        prefix.length + 1,
        `${prefix}/`,
      )
    ).map(toFile),
  promote: (from, to) =>
    db.transaction(async (tx) => {
      await tx.run('delete from drive_files where key = $1', to)
      const at = now().toISOString()
      await tx.run(
        "update drive_files set key = $1, state = 'whole', written_at = $2 where key = $3",
        to,
        at,
        from,
      )
    }),
  all: async () =>
    (await db.all('select * from drive_files order by key')).map((row) => ({
      ...toFile(row),
      writtenAt: date(row, 'written_at'),
    })),
  async remove(key) {
    await db.run('delete from drive_files where key = $1', key)
  },
})
