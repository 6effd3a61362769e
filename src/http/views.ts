import type { z } from 'zod'
import type * as wire from '../api/schemas.ts'
import type { Checkpoint } from '../artifacts/checkpoint.ts'
import type { Person } from '../control/people.ts'
import type { Finish } from '../control/plan-view.ts'
import type { FinishedArtifact, LossPoint, NamedDataset, Reads } from '../control/reads.ts'
import { type Account, rulesOf } from '../rotation/account.ts'
import type { RotationEvent } from '../rotation/event.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'

const time = (at: Date | null): string | null => at?.toISOString() ?? null

export const toDataset = (dataset: NamedDataset): wire.Dataset => ({
  name: dataset.name,
  version: dataset.version,
  importedAt: dataset.importedAt.toISOString(),
  rejected: dataset.rejected,
  train: dataset.train,
  validation: dataset.validation,
})

/** Names of the accounts that were made for the emulators. */
export const emulatedNames = async (reads: Reads): Promise<ReadonlySet<string>> =>
  new Set((await reads.everyAccount()).filter(({ emulated }) => emulated).map(({ name }) => name))

/**
 * @param run the name of its run
 * @param emulated names of the accounts that stand for no real one
 * @param nodeAddress where the node of a policy is reached through this service, by the policy's name; of trainings there is none
 */
export const toSession = (
  session: Session,
  run: string,
  emulated: ReadonlySet<string>,
  nodeAddress?: (policy: string) => string,
): wire.Session => ({
  id: session.id,
  runId: session.runId,
  run,
  generation: session.generation,
  account: session.account,
  provider: session.provider,
  emulated: emulated.has(session.account),
  state: session.state,
  outcome: session.outcome,
  reason: session.reason,
  link: session.state === 'awaiting_person' ? session.handle : null,
  sealed: session.sealed,
  serves: session.serves,
  fromStep: session.fromStep,
  toStep: session.toStep,
  lastCheckpointStep: session.lastCheckpointStep,
  plannedSeconds: session.plannedSeconds,
  usedSeconds: session.usedSeconds,
  node: session.node
    ? {
        readyAt: session.node.readyAt.toISOString(),
        url: session.node.reach === 'relay' ? (nodeAddress?.(run) ?? null) : session.node.url,
        reach: session.node.reach,
        adapter: session.node.adapter,
        tunnel: session.node.tunnel,
      }
    : null,
  badBeatAt: time(session.badBeatAt),
  startedAt: time(session.enrolledAt ?? session.launchedAt),
  heardAt: time(session.heardAt),
  deadlineAt: time(session.deadlineAt),
  endedAt: time(session.endedAt),
})

export const toCheckpoint = (checkpoint: Checkpoint): z.infer<typeof wire.Checkpoint> => ({
  step: checkpoint.step,
  generation: checkpoint.generation,
  state: checkpoint.state,
  bytes: checkpoint.bytes,
  sha256: checkpoint.manifestSha256,
  metrics: { ...checkpoint.metrics },
  committedAt: checkpoint.committedAt.toISOString(),
})

export const toRunSummary = (run: Run, sessions: number): wire.RunSummary => ({
  id: run.id,
  name: run.name,
  engine: run.engine,
  state: run.state,
  step: run.step,
  targetSteps: run.targetSteps,
  priority: run.priority,
  sessions,
  waiting: run.waiting,
  failure: run.failure,
  datasetVersion: run.datasetVersion,
  createdAt: run.createdAt.toISOString(),
  endedAt: time(run.endedAt),
})

export const toFinish = (finish: Finish): wire.Finish => ({
  likely: finish.likely.toISOString(),
  earliest: finish.earliest.toISOString(),
  latest: finish.latest.toISOString(),
})

export interface RunParts {
  readonly finish: Finish | null
  /** What has opened it, if it was not a person. */
  readonly standing: { readonly name: string; readonly number: number } | null
  readonly sessions: readonly Session[]
  readonly emulated: ReadonlySet<string>
  readonly checkpoints: readonly Checkpoint[]
  readonly artifact: FinishedArtifact | undefined
  readonly artifactPath: string
  readonly losses: readonly LossPoint[]
}

export const toRun = (run: Run, parts: RunParts): wire.Run => ({
  ...toRunSummary(run, 0),
  plan: { ...run.plan },
  options: { ...run.options },
  finish: parts.finish && toFinish(parts.finish),
  standing: parts.standing,
  loss: lossSummary(parts.losses.map(({ loss }) => loss)),
  losses: thinned(parts.losses, 200),
  sessions: parts.sessions.map((session) => toSession(session, run.name, parts.emulated)),
  checkpoints: parts.checkpoints.map(toCheckpoint),
  artifact: parts.artifact
    ? {
        label: parts.artifact.label,
        step: parts.artifact.step,
        generation: parts.artifact.generation,
        bytes: parts.artifact.bytes,
        sha256: parts.artifact.manifestSha256,
        metrics: { ...parts.artifact.metrics },
        path: parts.artifactPath,
        committedAt: parts.artifact.committedAt.toISOString(),
      }
    : null,
})

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Of a training: mean of the first ten steps, of the last ten, and the lowest; null without any. */
export function lossSummary(losses: readonly number[]) {
  if (losses.length === 0) return null
  const best = losses.reduce((low, loss) => Math.min(low, loss), Number.POSITIVE_INFINITY)
  return { first: mean(losses.slice(0, 10)), last: mean(losses.slice(-10)), best }
}

/** Every n-th point, so that at most `most` are left; the last one always. */
function thinned(points: readonly LossPoint[], most: number): LossPoint[] {
  const every = Math.ceil(points.length / most)
  return points.filter((_, index) => (points.length - 1 - index) % Math.max(1, every) === 0)
}

export const toEvent = (event: RotationEvent): wire.RunEvent => ({
  id: event.id,
  at: event.at.toISOString(),
  kind: event.kind,
  runId: event.runId,
  sessionId: event.sessionId,
  data: { ...event.data },
})

/** What is shown of an account beside itself. */
export interface AccountParts {
  readonly person: Person
  /** By whose rules they are. */
  readonly accepted: ReadonlyMap<string, Date>
  /** Who accepted the rule of serving, and when. */
  readonly serving: { readonly by: string; readonly at: Date } | undefined
  readonly removedAt: Date | null
}

export const toAccount = (account: Account, parts: AccountParts): wire.Account => ({
  name: account.name,
  owner: account.owner,
  provider: account.provider,
  username: account.username,
  automation: account.automation,
  driver: account.driver,
  emulated: account.emulated,
  weeklyHours: account.weeklySeconds / 3600,
  maxSessionHours: account.maxSessionSeconds / 3600,
  maxConcurrent: account.maxConcurrent,
  holdUntil: parts.removedAt ? null : time(account.holdUntil),
  holdReason: parts.removedAt ? null : account.holdReason,
  zone: parts.person.zone,
  wakingFrom: parts.person.wakingFrom,
  wakingTo: parts.person.wakingTo,
  rulesAcceptedAt: time(parts.accepted.get(rulesOf(account.provider, account.driver)) ?? null),
  serves: account.serves && parts.removedAt === null,
  servingAcceptedAt: time(parts.serving?.at ?? null),
  servingAcceptedBy: parts.serving?.by ?? null,
  removedAt: time(parts.removedAt),
})
