import type { SlotFile, SlotIndex } from '../artifacts/slot-index.ts'
import { type Database, number, type Row, text } from './database.ts'

const toFile = (row: Row): SlotFile => ({
  sessionId: text(row, 'session_id'),
  slot: number(row, 'slot'),
  position: number(row, 'position'),
  kind: row.kind === 'artifact' ? 'artifact' : 'checkpoint',
  fileId: text(row, 'file_id'),
  folderId: text(row, 'folder_id'),
  clientId: text(row, 'client_id'),
  taken: number(row, 'taken') === 1,
})

/** Files opened for sealed sessions in the database; see `SlotIndex`. */
export const slotRows = (db: Database, now: () => Date): SlotIndex => ({
  put: (files) =>
    db.transaction(async (tx) => {
      for (const file of files) {
        await tx.run(
          `insert into sealed_files (session_id, slot, position, kind, file_id, folder_id, client_id, opened_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8)`,
          file.sessionId,
          file.slot,
          file.position,
          file.kind,
          file.fileId,
          file.folderId,
          file.clientId,
          now().toISOString(),
        )
      }
    }),
  of: async (sessionId) =>
    (
      await db.all(
        'select * from sealed_files where session_id = $1 order by slot, position',
        sessionId,
      )
    ).map(toFile),
  async markTaken(sessionId, slot) {
    await db.run(
      'update sealed_files set taken = 1 where session_id = $1 and slot = $2',
      sessionId,
      slot,
    )
  },
  ended: async () =>
    (
      await db.all(
        `select distinct f.session_id from sealed_files f join sessions s on s.id = f.session_id
         where s.ended_at is not null`,
      )
    ).map((row) => text(row, 'session_id')),
  async forget(sessionId, clientId) {
    await db.run(
      'delete from sealed_files where session_id = $1 and client_id = $2',
      sessionId,
      clientId,
    )
  },
})
