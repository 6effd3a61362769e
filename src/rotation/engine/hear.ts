import { secondsBetween } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Run } from '../run.ts'
import type { Session, SessionNode } from '../session.ts'
import {
  type Answer,
  answerTo,
  type CommittedFiles,
  type Heartbeat,
  type Held,
  type Report,
  type Upload,
} from '../session-gate.ts'
import { about, type Draft } from './changes.ts'
import { endSession } from './end-session.ts'
import { reportedEnd } from './reported-end.ts'
import { restartHeard, tellRestarted } from './restart.ts'
import { admittedTo, checkpointKey, onceKey, progressOf, type RotationState } from './state.ts'
import { successorOf } from './successor.ts'

export const fenced = (why: string) =>
  new AppError('conflict', `this session may not write any more: ${why}`, {
    code: 'fenced',
    next: 'End it; the run goes on elsewhere',
  })

/** A session as one process of it holds it: when another has taken its place, it holds nothing. */
export function holding(state: RotationState, held: Held) {
  const admitted = admittedTo(state, held.id)
  if (admitted.session.generation === held.generation) return admitted
  const session = { ...admitted.session, generation: held.generation }
  return { ...admitted, session, current: false }
}

/** As `holding`. @throws AppError `conflict` (`fenced`) when it may not write any more */
export function writing(state: RotationState, held: Held, now: Date) {
  const admitted = holding(state, held)
  if (admitted.current) return admitted
  throw fenced(answerTo(admitted.session, admitted.run, false, now).reason ?? 'it has ended')
}

/** A heartbeat and its answer; what an older generation says changes nothing and is told once. */
export function heartbeat(
  state: RotationState,
  draft: Draft,
  held: Held,
  beat: Heartbeat,
  now: Date,
): Answer {
  const { session, run, current } = holding(state, held)
  const ref = { runId: run.id, sessionId: session.id }
  if (!current) {
    const data = { run: run.name, generation: session.generation, account: session.account }
    if (!state.told.has(onceKey(session.id, 'zombie.fenced')))
      draft.tell({ kind: 'zombie.fenced', ...ref, data })
    return answerTo(session, run, false, now)
  }
  if (session.serves) return hearNode(state, draft, session, run, beat, now)
  const isFirst =
    session.state !== 'stopping' &&
    session.toStep === session.fromStep &&
    beat.step > session.fromStep
  draft.putSession({
    ...session,
    heardAt: now,
    trainingAt: session.trainingAt ?? (isFirst ? now : null),
    toStep: Math.max(session.toStep, beat.step),
    state: run.stopAsked ? 'stopping' : 'running',
  })
  draft.putRun({ ...run, step: Math.max(beat.step, session.fromStep) })
  for (const [step, loss, learningRate] of beat.history) {
    const { generation } = session
    draft.changes.metrics.push({ runId: run.id, step, generation, loss, learningRate })
  }
  if (isFirst) {
    const loss = beat.history.at(-1)?.[1] ?? null
    const data = { ...about(session), run: run.name, step: beat.step, loss }
    draft.tell({ kind: 'session.training', ...ref, data })
  }
  return answerTo(session, run, true, now)
}

/** A heartbeat of a session that serves: where its node is, and whether it may leave because its successor answers. */
function hearNode(
  state: RotationState,
  draft: Draft,
  session: Session,
  run: Run,
  beat: Heartbeat,
  now: Date,
): Answer {
  const node = nodeAfter(session, beat, now)
  const said = restartHeard(session, beat.node ?? null, now)
  const successor = successorOf(session, state.sessions.values(), now)
  const heard = { ...session, ...said, badBeatAt: isBad(beat) ? now : session.badBeatAt }
  draft.putSession({
    ...heard,
    heardAt: now,
    node,
    trainingAt: session.trainingAt ?? node?.readyAt ?? null,
    state: run.stopAsked || successor ? 'stopping' : 'running',
  })
  if (said.restarts > session.restarts) tellRestarted(draft, session, run, said.restarts)
  if (node) tellNode(draft, session, run, node, now)
  const answer = answerTo(heard, run, true, now)
  if (answer.order === 'stop' || !successor) return answer
  const reason = `generation ${successor.generation} answers in its place`
  return { ...answer, order: 'stop', reason }
}

/** What the session has put up by its newest word; null as long as that does not answer. */
function nodeAfter(session: Session, { node }: Heartbeat, now: Date): SessionNode | null {
  if (!node?.ready || node.adapter === null) return null
  const { url, adapter, tunnel = null } = node
  const reach = node.reach ?? (url === null ? 'local' : 'url')
  return { readyAt: session.node?.readyAt ?? now, reach, url, adapter, tunnel }
}

/** Whether it says itself that nobody is answered there now. */
const isBad = ({ node }: Heartbeat): boolean =>
  node != null && (!node.ready || node.tunnel === 'down')

/** Told when it begins to answer, again after a silence too, and when it is reached elsewhere than before. */
function tellNode(draft: Draft, session: Session, run: Run, node: SessionNode, now: Date): void {
  const kind = session.node === null ? 'node.ready' : 'node.moved'
  const before = session.node
  if (before && before.url === node.url && before.reach === node.reach) return
  const sent = session.launchedAt ?? session.createdAt
  const isFirst = session.trainingAt === null
  const data = {
    ...about(session),
    run: run.name,
    url: node.url,
    reach: node.reach,
    adapter: node.adapter,
    ...(kind === 'node.ready'
      ? { secondsToReady: isFirst ? Math.round(secondsBetween(sent, now)) : null }
      : {}),
  }
  draft.tell({ kind, runId: run.id, sessionId: session.id, data })
}

/** From here on the checkpoint or artifact exists. @throws AppError `conflict` (`fenced`) */
export function commit(
  state: RotationState,
  draft: Draft,
  upload: Omit<Upload, 'id'>,
  files: CommittedFiles,
  now: Date,
): void {
  const held = { id: upload.sessionId, generation: upload.generation }
  const { session, run } = writing(state, held, now)
  const ref = { runId: run.id, sessionId: session.id }
  const { manifestSha256, bytes, metrics } = files
  const data = {
    run: run.name,
    step: upload.step,
    targetSteps: run.targetSteps,
    generation: session.generation,
    account: session.account,
    bytes,
    ...metrics,
  }
  const kept = {
    runId: run.id,
    step: upload.step,
    generation: upload.generation,
    manifestSha256,
    bytes,
    metrics,
  }
  if (upload.kind === 'artifact') {
    if (progressOf(state, run.id).hasArtifact) return
    const label = files.label ?? 'candidate'
    draft.changes.artifacts.push({ ...kept, label })
    draft.tell({ kind: 'artifact.committed', ...ref, data: { ...data, label } })
    return
  }
  keepStep(draft, session, run, upload.step)
  if (state.checkpoints.has(checkpointKey(run.id, upload.step, upload.generation))) return
  draft.changes.checkpoints.push({ ...kept, sessionId: session.id })
  draft.tell({ kind: 'checkpoint.committed', ...ref, data })
}

function keepStep(draft: Draft, session: Session, run: Run, step: number): void {
  draft.putSession({
    ...session,
    lastCheckpointStep: Math.max(step, session.lastCheckpointStep ?? 0),
    toStep: Math.max(step, session.toStep),
  })
  if (run.step < step) draft.putRun({ ...run, step })
}

/**
 * Ends the session by its own word; a second report changes nothing.
 * @throws AppError `conflict` (`fenced`), `invalid` (`incomplete`) for a finished run without its last checkpoint or its artifact
 */
export function takeReport(
  state: RotationState,
  draft: Draft,
  held: Held,
  report: Report,
  now: Date,
): void {
  const { session, run, current } = holding(state, held)
  const isRepeat = session.endedAt && (current || session.generation === run.generation)
  if (isRepeat) return
  if (!current) throw fenced(answerTo(session, run, false, now).reason ?? 'it has ended')
  const { furthestStep, hasArtifact } = progressOf(state, run.id)
  if (report.outcome === 'finished' && !(hasArtifact && furthestStep >= run.targetSteps)) {
    throw new AppError(
      'invalid',
      'a finished run has its last checkpoint and its artifact committed',
      { code: 'incomplete', next: 'Commit both, then report again' },
    )
  }
  if (session.toStep < report.step) draft.putSession({ ...session, toStep: report.step })
  endSession(state, draft, session.id, reportedEnd(report, now), now)
}
