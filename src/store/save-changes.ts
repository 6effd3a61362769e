import type { Changes } from '../rotation/engine/changes.ts'
import type { RotationState } from '../rotation/engine/state.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import { writeHold } from './account-rows.ts'
import { insertCandidate } from './adapter-rows.ts'
import type { Queries } from './database.ts'
import { decideCandidate } from './decide-adapter.ts'
import { insertEvent } from './event-rows.ts'
import { insertEntries, writeQuota } from './ledger-rows.ts'

const iso = (date: Date | null): string | null => date?.toISOString() ?? null

/** Writes down what an event has changed; inside the transaction in which `state` was read. */
export async function saveChanges(
  tx: Queries,
  state: RotationState,
  changes: Changes,
  at: string,
): Promise<void> {
  for (const session of changes.sessions.values()) {
    if (!state.sessions.has(session.id)) await insertSession(tx, session)
    await updateSession(tx, session)
  }
  for (const [id, door] of changes.doors) {
    await tx.run(
      'update sessions set ticket_hash = $1, nonce_hash = $2, token_hash = $3 where id = $4',
      door.ticketHash,
      door.nonceHash,
      door.tokenHash,
      id,
    )
  }
  for (const run of changes.runs.values()) await updateRun(tx, run)
  for (const { name, holdUntil, holdReason } of changes.accounts.values()) {
    if (holdUntil) await writeHold(tx, name, holdUntil.toISOString(), holdReason ?? '')
  }
  await insertEntries(tx, changes.entries, at)
  for (const reading of changes.readings) await writeQuota(tx, reading)
  await saveKept(tx, changes, at)
  for (const gone of changes.shutOut) {
    await tx.run(
      'insert into spent_nonces (nonce_hash, session_id, generation, spent_at) values ($1, $2, $3, $4)',
      gone.nonceHash,
      gone.sessionId,
      gone.generation,
      at,
    )
    await tx.run(
      'update transfers set spent_at = $1 where session_id = $2 and spent_at is null',
      at,
      gone.sessionId,
    )
  }
  for (const news of changes.news) await insertEvent(tx, news, at)
}

async function insertSession(tx: Queries, session: Session): Promise<void> {
  await tx.run(
    `insert into sessions (id, run_id, generation, name, account, provider, state, ticket_hash, planned_seconds,
       heartbeat_seconds, from_step, to_step, created_at, sealed, serves)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    session.id,
    session.runId,
    session.generation,
    session.name,
    session.account,
    session.provider,
    session.state,
    `none:${session.id}`,
    session.plannedSeconds,
    session.heartbeatSeconds,
    session.fromStep,
    session.toStep,
    session.createdAt.toISOString(),
    session.sealed ? 1 : 0,
    session.serves ? 1 : 0,
  )
}

async function updateSession(tx: Queries, session: Session): Promise<void> {
  await tx.run(
    `update sessions set generation = $1, state = $2, outcome = $3, reason = $4, handle = $5, from_step = $6,
       to_step = $7, last_checkpoint_step = $8, launched_at = $9, enrolled_at = $10, heard_at = $11, checked_at = $12,
       expires_at = $13, deadline_at = $14, ended_at = $15, used_seconds = $16, log_tail = $17, training_at = $18,
       node_ready_at = $19, node_url = $20, node_adapter = $21, node_reach = $22,
       node_tunnel = $23, bad_beat_at = $24, restart_asked_at = $25, restart_begun_at = $26, restarts = $27 where id = $28`,
    session.generation,
    session.state,
    session.outcome,
    session.reason,
    session.handle,
    session.fromStep,
    session.toStep,
    session.lastCheckpointStep,
    iso(session.launchedAt),
    iso(session.enrolledAt),
    iso(session.heardAt),
    iso(session.checkedAt),
    iso(session.expiresAt),
    iso(session.deadlineAt),
    iso(session.endedAt),
    session.usedSeconds,
    session.logTail,
    iso(session.trainingAt),
    iso(session.node?.readyAt ?? null),
    session.node?.url ?? null,
    session.node?.adapter ?? null,
    session.node?.reach ?? null,
    session.node?.tunnel ?? null,
    iso(session.badBeatAt),
    iso(session.restart?.askedAt ?? null),
    iso(session.restart?.begunAt ?? null),
    session.restarts,
    session.id,
  )
}

async function updateRun(tx: Queries, run: Run): Promise<void> {
  await tx.run(
    `update runs set state = $1, step = $2, generation = $3, failures = $4, failure = $5, waiting = $6, ended_at = $7,
       options = $8
     where id = $9`,
    run.state,
    run.step,
    run.generation,
    run.failures,
    run.failure,
    run.waiting,
    iso(run.endedAt),
    JSON.stringify(run.options),
    run.id,
  )
}

async function saveKept(
  tx: Queries,
  { checkpoints, artifacts, metrics }: Changes,
  at: string,
): Promise<void> {
  for (const kept of checkpoints) {
    await tx.run(
      `insert into checkpoints (run_id, step, generation, session_id, state, manifest_sha256, bytes, metrics, committed_at)
       values ($1, $2, $3, $4, 'committed', $5, $6, $7, $8)`,
      kept.runId,
      kept.step,
      kept.generation,
      kept.sessionId,
      kept.manifestSha256,
      String(kept.bytes),
      JSON.stringify(kept.metrics),
      at,
    )
  }
  for (const kept of artifacts) {
    await tx.run(
      `insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, metrics, committed_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      kept.runId,
      kept.label,
      kept.step,
      kept.generation,
      kept.manifestSha256,
      String(kept.bytes),
      JSON.stringify(kept.metrics),
      at,
    )
    const candidate = await insertCandidate(tx, kept, at)
    if (candidate !== null) await decideCandidate(tx, candidate, new Date(at))
  }
  for (const measured of metrics) {
    await tx.run(
      `insert into metrics (run_id, step, generation, loss, learning_rate) values ($1, $2, $3, $4, $5)
       on conflict (run_id, step, generation) do nothing`,
      measured.runId,
      measured.step,
      measured.generation,
      measured.loss,
      measured.learningRate,
    )
  }
}
