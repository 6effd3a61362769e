import type { z } from 'zod'
import type * as wire from '../api/node-schemas.ts'
import type { NamedIncident } from '../control/incidents.ts'
import type { NodeWithDeep, Probed } from '../control/nodes.ts'
import { consequenceOf } from '../health/cause.ts'
import { type DeepCheck, deepBase } from '../health/deep-check.ts'
import { durationSeconds } from '../health/incident.ts'
import type { Node } from '../health/node.ts'
import type { Silence } from '../health/silence.ts'
import type { Session } from '../rotation/session.ts'

const time = (at: Date | null): string | null => at?.toISOString() ?? null

const toCause = (cause: Node['watch']['cause']) => cause && { kind: cause.kind, words: cause.words }

const toDeep = (node: Node, deep: DeepCheck): wire.DeepSummary => ({
  url: deepBase(node.url ?? '', deep.baseUrl),
  model: deep.model ?? node.health?.model ?? null,
  hasKey: deep.hasKey,
  everySeconds: deep.everySeconds,
  turnSeconds: deep.turnSeconds,
  state: deep.watch.state,
  since: deep.watch.since.toISOString(),
  words: deep.watch.words,
  askedAt: time(deep.watch.askedAt),
  nextAt: deep.watch.nextAt.toISOString(),
  tokenMs: deep.watch.tokenMs,
  endMs: deep.watch.endMs,
})

/** @param names of what it depends on, by id */
export const toNode = (
  { node, deep }: NodeWithDeep,
  names: ReadonlyMap<string, string>,
): wire.NodeSummary => ({
  id: node.id,
  name: node.name,
  kind: node.kind,
  state: node.state,
  since: node.watch.since.toISOString(),
  cause: toCause(node.watch.cause),
  url: node.url,
  reach: node.reach,
  tunnelAccount: node.tunnelAccount,
  dependsOn: node.dependsOn.flatMap((id) => names.get(id) ?? []),
  session: node.sessionId,
  intervalSeconds: node.intervalSeconds,
  turnSeconds: node.turnSeconds,
  isPublic: node.isPublic,
  anyAnswer: node.anyAnswer,
  latencyMs: node.latencyMs,
  probedAt: time(node.probedAt),
  nextProbeAt: node.state === 'idle' ? null : node.watch.nextProbeAt.toISOString(),
  certificateEndsAt: time(node.certificateEndsAt),
  model: node.health?.model ?? null,
  adapter: node.health?.adapterVersion ?? null,
  freeVramBytes: node.health?.freeVramBytes ?? null,
  createdAt: node.createdAt.toISOString(),
  deep: deep && node.url !== null ? toDeep(node, deep) : null,
})

/** What the session of a node says of itself. */
export const toHeard = (session: Session): wire.NodeDetails['heard'] => ({
  at: time(session.heardAt),
  isReady: session.node !== null && session.endedAt === null,
  tunnel: session.node?.tunnel ?? null,
  badBeatAt: time(session.badBeatAt),
})

export const toIncident = (
  { incident, node, heldBy }: NamedIncident,
  now: Date,
): wire.IncidentSummary => ({
  id: incident.id,
  node,
  kind: incident.kind,
  cause: toCause(incident.cause),
  startedAt: incident.startedAt.toISOString(),
  openedAt: incident.openedAt.toISOString(),
  closedAt: time(incident.closedAt),
  durationSeconds: durationSeconds(incident, now),
  consequence: incident.sessionId === null ? 'none' : incident.consequence,
  restartAt: time(incident.restartAt),
  replacedAt: time(incident.replacedAt),
  acknowledgedAt: time(incident.acknowledgedAt),
  acknowledgedBy: incident.acknowledgedBy,
  heldBy,
})

export const toProbed = ({ node, seen, verdict }: Probed): z.infer<typeof wire.Probed> => ({
  node: node.name,
  isUp: verdict.kind === 'up',
  ms: seen.ms,
  status: seen.kind === 'answered' ? seen.status : null,
  cause: verdict.kind === 'up' ? null : toCause(verdict.cause),
  consequence: verdict.kind === 'up' ? null : consequenceOf[verdict.cause.kind],
  model: verdict.kind === 'up' ? verdict.health.model : null,
  adapter: verdict.kind === 'up' ? verdict.health.adapterVersion : null,
  certificateEndsAt: seen.kind === 'answered' ? time(seen.certificateEndsAt) : null,
})

export const toSilence = (
  silence: Silence & { readonly nodeName: string | null },
): wire.Silence => ({
  id: silence.id,
  node: silence.nodeName,
  kind: silence.kind,
  startsAt: silence.startsAt.toISOString(),
  endsAt: silence.endsAt.toISOString(),
  weekly: silence.isWeekly,
  zone: silence.zone,
  why: silence.why,
  by: silence.madeBy,
})
