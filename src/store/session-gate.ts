import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { fenced } from '../rotation/engine/hear.ts'
import { isCurrent } from '../rotation/engine/state.ts'
import type { Session } from '../rotation/session.ts'
import {
  type Admitted,
  answerTo,
  type Held,
  type SessionGate,
  type Transfer,
  type Upload,
} from '../rotation/session-gate.ts'
import { type Database, number, type Queries, type Row, text } from './database.ts'
import { rotationStore } from './rotation-store.ts'
import { readRun } from './run-rows.ts'
import { readSession, toSession } from './session-rows.ts'
import { knownUpload } from './upload-rows.ts'

/** The session protocol's memory on a database. */
export function sessionGate(db: Database, now: () => Date): SessionGate {
  const rotation = rotationStore(db, now)
  return {
    async enrol(hashes) {
      const { sessionId } = await rotation.apply({ kind: 'enrolled', hashes })
      return must(db, sessionId ?? '')
    },
    async admitted(tokenHash) {
      const row = await db.first('select * from sessions where token_hash = $1', tokenHash)
      return row && admittedAs(db, toSession(row))
    },
    session: (sessionId) => must(db, sessionId),
    async begin(sessionId, secondsLeft) {
      await rotation.apply({ kind: 'begun', sessionId, secondsLeft })
    },
    async noteResume(sessionId, step) {
      await rotation.apply({ kind: 'resumed', sessionId, step })
    },
    async heartbeat(held, beat) {
      const { answer } = await rotation.apply({ kind: 'heard', held, beat })
      if (answer) return answer
      throw new AppError('internal', `a heartbeat of ${held.id} got no answer`)
    },
    openUpload: (upload) =>
      db.transaction(async (tx) => {
        const { session, run, current } = await holding(tx, heldBy(upload))
        if (!current) throw fenced(answerTo(session, run, false, now()).reason ?? 'it has ended')
        const files = JSON.stringify(upload.files)
        const id = (await knownUpload(tx, upload)) ?? newId('upl')
        await tx.run(
          `insert into uploads (id, session_id, run_id, generation, kind, step, files, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do update set files = excluded.files`,
          id,
          upload.sessionId,
          upload.runId,
          upload.generation,
          upload.kind,
          upload.step,
          files,
          now().toISOString(),
        )
        return { ...upload, id }
      }),
    async upload(id) {
      const row = await db.first('select * from uploads where id = $1', id)
      return row && toUpload(row)
    },
    async commit(upload, files) {
      await rotation.apply({ kind: 'committed', upload, files })
    },
    async report(held, report) {
      await rotation.apply({ kind: 'reported', held, report })
    },
    issue: (transfers) =>
      db.transaction(async (tx) => {
        for (const transfer of transfers) {
          await tx.run(
            `insert into transfers (token_hash, session_id, direction, path, bytes, sha256, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7)`,
            transfer.tokenHash,
            transfer.sessionId,
            transfer.direction,
            transfer.path,
            String(transfer.bytes),
            transfer.sha256,
            new Date(now().getTime() + 24 * 3_600_000).toISOString(),
          )
        }
      }),
    async transfer(tokenHash): Promise<Transfer | undefined> {
      const row = await db.first('select * from transfers where token_hash = $1', tokenHash)
      if (!row) return undefined
      const { current } = await must(db, text(row, 'session_id'))
      return {
        tokenHash,
        sessionId: text(row, 'session_id'),
        direction: row.direction === 'upload' ? 'upload' : 'download',
        path: text(row, 'path'),
        bytes: number(row, 'bytes'),
        sha256: text(row, 'sha256'),
        spent: row.spent_at !== null || text(row, 'expires_at') < now().toISOString(),
        current,
      }
    },
    async spend(tokenHash) {
      const at = now().toISOString()
      await db.run('update transfers set spent_at = $1 where token_hash = $2', at, tokenHash)
    },
  }
}

const toUpload = (row: Row): Upload => ({
  id: text(row, 'id'),
  sessionId: text(row, 'session_id'),
  runId: text(row, 'run_id'),
  generation: number(row, 'generation'),
  kind: row.kind === 'artifact' ? 'artifact' : 'checkpoint',
  step: number(row, 'step'),
  files: JSON.parse(text(row, 'files')) as Upload['files'], // written by openUpload alone
})

async function admittedAs(db: Queries, session: Session): Promise<Admitted> {
  const run = await readRun(db, session.runId)
  if (!run) throw new AppError('internal', `session ${session.id} has no run`)
  return { session, run, current: isCurrent(session, run) }
}

async function must(db: Queries, sessionId: string): Promise<Admitted> {
  const session = await readSession(db, sessionId)
  if (!session) throw new AppError('not-found', `there is no session ${sessionId}`)
  return admittedAs(db, session)
}

/** As `must`, for one process of the session: when another has taken its place, it holds nothing. */
async function holding(db: Queries, held: Held): Promise<Admitted> {
  const admitted = await must(db, held.id)
  const { session } = admitted
  if (session.generation === held.generation) return admitted
  return { ...admitted, session: { ...session, generation: held.generation }, current: false }
}

const heldBy = ({ sessionId, generation }: Omit<Upload, 'id'>): Held => ({
  id: sessionId,
  generation,
})
