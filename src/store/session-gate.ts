import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import type { SessionEnd } from '../rotation/session-end.ts'
import {
  type Admitted,
  answerTo,
  type Heartbeat,
  type Held,
  type Report,
  type SessionGate,
  type Transfer,
  type Upload,
} from '../rotation/session-gate.ts'
import { type Database, number, type Queries, type Row, text, textOrNull } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { about, deadline, endSession } from './rotation-store.ts'
import { readRun } from './run-rows.ts'
import { readSession, toSession } from './session-rows.ts'
import { knownUpload, takeOver } from './take-over.ts'

/** No account is offered again for so long after it gave a session no usable GPU. */
const noGpuHoldSeconds = 6 * 3600
/** … nor after its queue was longer than what a sealed notebook brought along is good for. */
const lateHoldSeconds = 3600

const fenced = (why: string) =>
  new AppError('conflict', `this session may not write any more: ${why}`, {
    code: 'fenced',
    next: 'End it; the run goes on elsewhere',
  })

/** The session protocol's memory on a database. */
export function sessionGate(db: Database, now: () => Date): SessionGate {
  return {
    enrol: (hashes) => db.transaction((tx) => enrol(tx, hashes, now())),
    async admitted(tokenHash) {
      const row = await db.first('select * from sessions where token_hash = $1', tokenHash)
      return row && admittedAs(db, toSession(row))
    },
    session: (sessionId) => must(db, sessionId),
    begin: (sessionId, secondsLeft) =>
      db.transaction(async (tx) => begin(tx, await must(tx, sessionId), secondsLeft, now())),
    async noteResume(sessionId, step) {
      await db.run(
        'update sessions set from_step = $1, to_step = $1 where id = $2 and last_checkpoint_step is null',
        step,
        sessionId,
      )
    },
    heartbeat: (held, beat) =>
      db.transaction(async (tx) => heartbeat(tx, await holding(tx, held), beat, now())),
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
    commit: (upload, files) =>
      db.transaction(async (tx) => {
        const { session, run, current } = await holding(tx, heldBy(upload))
        if (!current) throw fenced(answerTo(session, run, false, now()).reason ?? 'it has ended')
        await commit(tx, session, run, upload, files, now().toISOString())
      }),
    report: (held, report) =>
      db.transaction(async (tx) => takeReport(tx, await holding(tx, held), report, now())),
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
  const current = session.endedAt === null && session.generation === run.generation
  return { session, run, current }
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

async function enrol(
  tx: Queries,
  hashes: { readonly ticket: string; readonly nonce: string; readonly token: string },
  now: Date,
): Promise<Admitted> {
  const row = await tx.first('select * from sessions where ticket_hash = $1', hashes.ticket)
  if (!row) {
    throw new AppError('unauthorized', 'this ticket was not issued here', {
      code: 'ticket_unknown',
      next: 'Run only notebooks that this service launched; each is good for one session',
    })
  }
  const { session, run, current } = await admittedAs(tx, toSession(row))
  if (!current) {
    throw new AppError('conflict', `generation ${session.generation} of ${run.name} is over`, {
      code: 'session_ended',
      next: 'Close this notebook; the run goes on elsewhere or has ended',
    })
  }
  const at = now.toISOString()
  const known = textOrNull(row, 'nonce_hash')
  if (known !== null && known !== hashes.nonce) {
    await takeOver(tx, session, run, { held: known, wanted: hashes.nonce }, at)
  }
  // A session that waited for a person begins when it calls in, and so does its cap.
  const waited = session.state === 'awaiting_person'
  const launchedAt = waited ? now : (session.launchedAt ?? now)
  await tx.run(
    `update sessions set state = 'running', nonce_hash = $1, token_hash = $2, enrolled_at = coalesce(enrolled_at, $3),
       heard_at = $3, launched_at = $4, deadline_at = coalesce(deadline_at, $5) where id = $6`,
    hashes.nonce,
    hashes.token,
    at,
    launchedAt.toISOString(),
    deadline(session, launchedAt).toISOString(),
    session.id,
  )
  if (known === null) {
    const data = { ...about(session), run: run.name }
    const event = { kind: 'session.enrolled' as const, runId: run.id, sessionId: session.id, data }
    await insertEvent(tx, event, at)
  }
  return must(tx, session.id)
}

async function begin(
  tx: Queries,
  { session, run, current }: Admitted,
  secondsLeft: number,
  now: Date,
): Promise<void> {
  if (!current || session.enrolledAt) return
  const at = now.toISOString()
  // It counts its time from its own start, and may have waited in a queue before.
  const left = Math.max(0, Math.min(secondsLeft, session.plannedSeconds))
  const until = new Date(now.getTime() + left * 1000)
  const deadlineAt = session.deadlineAt && session.deadlineAt > until ? session.deadlineAt : until
  await tx.run(
    `update sessions set state = 'running', enrolled_at = $1, heard_at = $1, deadline_at = $2 where id = $3`,
    at,
    deadlineAt.toISOString(),
    session.id,
  )
  const data = { ...about(session), run: run.name }
  const event = { kind: 'session.enrolled' as const, runId: run.id, sessionId: session.id, data }
  await insertEvent(tx, event, at)
}

async function heartbeat(tx: Queries, admitted: Admitted, beat: Heartbeat, now: Date) {
  const { session, run, current } = admitted
  const at = now.toISOString()
  if (!current) {
    const told = await tx.first(
      "select 1 as one from events where session_id = $1 and kind = 'zombie.fenced'",
      session.id,
    )
    const data = { run: run.name, generation: session.generation, account: session.account }
    const ref = { runId: run.id, sessionId: session.id }
    if (!told) await insertEvent(tx, { kind: 'zombie.fenced', ...ref, data }, at)
    return answerTo(session, run, false, now)
  }
  const first =
    session.state !== 'stopping' &&
    session.toStep === session.fromStep &&
    beat.step > session.fromStep
  await tx.run(
    'update sessions set heard_at = $1, to_step = $2, state = $3 where id = $4',
    at,
    Math.max(session.toStep, beat.step),
    run.stopAsked ? 'stopping' : 'running',
    session.id,
  )
  await tx.run(
    'update runs set step = $1 where id = $2',
    Math.max(beat.step, session.fromStep),
    run.id,
  )
  for (const [step, loss, learningRate] of beat.history) {
    await tx.run(
      `insert into metrics (run_id, step, generation, loss, learning_rate) values ($1, $2, $3, $4, $5)
       on conflict (run_id, step, generation) do nothing`,
      run.id,
      step,
      session.generation,
      loss,
      learningRate,
    )
  }
  if (first) {
    const data = {
      ...about(session),
      run: run.name,
      step: beat.step,
      loss: beat.history.at(-1)?.[1] ?? null,
    }
    const ref = { runId: run.id, sessionId: session.id }
    await insertEvent(tx, { kind: 'session.training', ...ref, data }, at)
  }
  return answerTo(session, run, true, now)
}

async function commit(
  tx: Queries,
  session: Session,
  run: Run,
  upload: Upload,
  files: { manifestSha256: string; bytes: number; label: string | null; metrics: object },
  at: string,
): Promise<void> {
  const ref = { runId: run.id, sessionId: session.id }
  const data = {
    run: run.name,
    step: upload.step,
    targetSteps: run.targetSteps,
    generation: session.generation,
    account: session.account,
    bytes: files.bytes,
    ...files.metrics,
  }
  if (upload.kind === 'artifact') {
    const added = await tx.run(
      `insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, metrics, committed_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (run_id, label) do nothing`,
      run.id,
      files.label ?? 'candidate',
      upload.step,
      upload.generation,
      files.manifestSha256,
      String(files.bytes),
      JSON.stringify(files.metrics),
      at,
    )
    if (added > 0) {
      const label = files.label ?? 'candidate'
      await insertEvent(tx, { kind: 'artifact.committed', ...ref, data: { ...data, label } }, at)
    }
    return
  }
  const added = await tx.run(
    `insert into checkpoints (run_id, step, generation, session_id, state, manifest_sha256, bytes, metrics, committed_at)
     values ($1, $2, $3, $4, 'committed', $5, $6, $7, $8) on conflict (run_id, step, generation) do nothing`,
    run.id,
    upload.step,
    upload.generation,
    session.id,
    files.manifestSha256,
    String(files.bytes),
    JSON.stringify(files.metrics),
    at,
  )
  await tx.run(
    'update sessions set last_checkpoint_step = $1, to_step = $2 where id = $3',
    Math.max(upload.step, session.lastCheckpointStep ?? 0),
    Math.max(upload.step, session.toStep),
    session.id,
  )
  await tx.run('update runs set step = $1 where id = $2 and step < $1', upload.step, run.id)
  if (added > 0) await insertEvent(tx, { kind: 'checkpoint.committed', ...ref, data }, at)
}

async function takeReport(
  tx: Queries,
  { session, run, current }: Admitted,
  report: Report,
  now: Date,
): Promise<void> {
  if (session.endedAt) {
    if (current || session.generation === run.generation) return
    throw fenced(answerTo(session, run, false, now).reason ?? 'it has ended')
  }
  if (!current) throw fenced(answerTo(session, run, false, now).reason ?? 'it has ended')
  const end = reportedEnd(report, now)
  if (report.outcome === 'finished') {
    const artifact = await tx.first('select 1 as one from artifacts where run_id = $1', run.id)
    const last = await tx.first(
      "select 1 as one from checkpoints where run_id = $1 and step = $2 and state = 'committed'",
      run.id,
      run.targetSteps,
    )
    if (!artifact || !last) {
      throw new AppError(
        'invalid',
        'a finished run has its last checkpoint and its artifact committed',
        {
          code: 'incomplete',
          next: 'Commit both, then report again',
        },
      )
    }
  }
  await tx.run(
    'update sessions set to_step = $1 where id = $2 and to_step < $1',
    report.step,
    session.id,
  )
  await endSession(tx, session.id, end, now)
}

function reportedEnd(report: Report, now: Date): SessionEnd {
  const { failure } = report
  const noGpu = failure?.class === 'no_gpu' || failure?.class === 'dead_gpu'
  const tooLate = failure?.class === 'access_expired'
  const words = {
    finished: 'all steps are done',
    limit: 'stopped itself before its limit',
    stopped: 'stopped as ordered',
    failed: failure?.message ?? 'the notebook failed',
  }
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000)
  const outcomes = {
    finished: 'finished',
    limit: 'limit',
    stopped: 'cancelled',
    failed: 'failed',
  } as const
  return {
    outcome: outcomes[report.outcome],
    reason: words[report.outcome],
    failure,
    logTail: report.outcome === 'failed' ? report.logTail : null,
    holdUntil: noGpu ? after(noGpuHoldSeconds) : tooLate ? after(lateHoldSeconds) : null,
  }
}
