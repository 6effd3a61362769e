import type {
  DeepSummary,
  Incident,
  IncidentSummary,
  NodeDetails,
  NodeSummary,
  Probed,
  Silence,
} from '../api/node-schemas.ts'
import { seconds } from './narrate.ts'
import { table } from './table.ts'
import { momentOf } from './wall-time.ts'

const ms = (value: number | null): string => (value === null ? '' : `${value} ms`)

/** Never rounded up to a hundred. */
const percent = (value: number | null): string =>
  value === null ? 'nothing known' : `${(Math.floor(value * 100) / 100).toFixed(2)} %`

/** What `nodes list` answers. */
export const describeNodes = (nodes: readonly NodeSummary[], zone: string): string =>
  nodes.length === 0
    ? 'No nodes yet. Add one with: rodizio nodes add NAME URL (those of serving policies come by themselves)'
    : table(
        ['NODE', 'STATE', 'SINCE', 'ANSWERS IN', 'EVERY', 'REACHED', 'WHY'],
        nodes.map((node) => [
          node.name,
          node.state,
          momentOf(new Date(node.since), zone),
          ms(node.latencyMs),
          seconds(node.turnSeconds),
          node.url ?? (node.reach === 'relay' && node.session ? 'by relay' : ''),
          node.cause?.words ?? '',
        ]),
      )

/** What a node is, in a few lines. */
export function describeNode(node: NodeSummary, zone: string): string[] {
  const at = (time: string | null) => (time === null ? 'never' : momentOf(new Date(time), zone))
  const budget =
    node.turnSeconds === node.intervalSeconds
      ? ''
      : ` (asked for: ${seconds(node.intervalSeconds)}; the requests of tunnel account ${node.tunnelAccount} bear no more)`
  const serves =
    node.model === null && node.adapter === null
      ? []
      : [`  serves ${node.model ?? 'a model'}${node.adapter ? `, adapter ${node.adapter}` : ''}`]
  const certificate =
    node.certificateEndsAt === null ? [] : [`  its certificate ends ${at(node.certificateEndsAt)}`]
  return [
    `${node.name}: ${node.state} since ${at(node.since)}${node.cause ? ` (${node.cause.words})` : ''}`,
    `  ${node.url ?? (node.reach === 'relay' ? 'reached by relay' : 'nothing of it is up now')}`,
    `  probed every ${seconds(node.turnSeconds)}${budget}; last ${at(node.probedAt)}, next ${at(node.nextProbeAt)}`,
    ...(node.anyAnswer ? ['  up when anything answers there'] : []),
    ...(node.dependsOn.length > 0 ? [`  depends on ${node.dependsOn.join(', ')}`] : []),
    ...serves,
    ...certificate,
    ...(node.deep ? describeDeep(node.deep, at) : []),
    ...(node.isPublic ? ['  on the public status page'] : []),
  ]
}

/** How it is asked for tokens, and what came of it. */
function describeDeep(deep: DeepSummary, at: (time: string | null) => string): string[] {
  const kept =
    deep.turnSeconds === deep.everySeconds ? '' : ` (asked for: ${seconds(deep.everySeconds)})`
  const found =
    deep.words ?? (deep.tokenMs === null ? 'not asked yet' : `a token in ${ms(deep.tokenMs)}`)
  return [
    `  asked for a token every ${seconds(deep.turnSeconds)}${kept} at ${deep.url}${deep.hasKey ? ', with a key' : ''}`,
    `    ${found}; last ${at(deep.askedAt)}, next ${at(deep.nextAt)}`,
  ]
}

/** What `nodes show` answers. */
export function describeNodeDetails(node: NodeDetails, zone: string): string {
  const uptime = node.uptime.map((one) => [
    one.span,
    percent(one.percent),
    String(one.probes),
    ms(one.p50Ms),
    ms(one.p95Ms),
  ])
  const probes = node.probes
    .slice(0, 10)
    .map(({ at, ms: took, found }) => [momentOf(new Date(at), zone), found, ms(took)])
  const tokens = (node.deep?.tokens ?? []).map((one) => [
    one.span,
    String(one.asked),
    String(one.good),
    ms(one.p50Ms),
    ms(one.p95Ms),
  ])
  return [
    ...describeNode(node, zone),
    ...heardLine(node, zone),
    '',
    table(['SPAN', 'UP', 'PROBES', 'P50', 'P95'], uptime),
    ...(node.deep
      ? ['', table(['SPAN', 'DEEP PROBES', 'TOKENS', 'FIRST P50', 'FIRST P95'], tokens)]
      : []),
    ...(probes.length > 0 ? ['', table(['PROBE', 'FOUND', 'IN'], probes)] : []),
    ...(node.incidents.length > 0 ? ['', describeIncidents(node.incidents, zone)] : []),
  ].join('\n')
}

/** What the node's own session says of it. */
function heardLine({ heard }: NodeDetails, zone: string): string[] {
  if (heard === null || heard.at === null) return []
  const at = (time: string) => momentOf(new Date(time), zone)
  const says = [
    heard.isReady ? 'answers' : 'does not answer',
    ...(heard.tunnel === null ? [] : [`its tunnel is ${heard.tunnel}`]),
  ]
  const bad = heard.badBeatAt === null ? '' : `; it last said of trouble ${at(heard.badBeatAt)}`
  return [`  by its session's own word ${at(heard.at)}: it ${says.join(', ')}${bad}`]
}

/** What `nodes probe` answers. */
export function describeProbed(probed: Probed): string {
  const status = probed.status === null ? '' : `HTTP ${probed.status}, `
  if (probed.isUp) {
    const serves = [probed.model, probed.adapter].filter((one) => one !== null).join(', ')
    return `${probed.node} is up (${status}${probed.ms} ms)${serves ? `: ${serves}` : ''}.`
  }
  const leads: Readonly<Record<string, string>> = {
    replace: 'An outage of it would have its session replaced at once.',
    restart: 'An outage of it would have its server started again, and replaced after ten minutes.',
    'wait-out': 'It is left alone until the limit is over.',
  }
  const then = probed.consequence === null ? undefined : leads[probed.consequence]
  return [
    `${probed.node} is not up (${status}${probed.ms} ms): ${probed.cause?.words ?? 'unknown'}.`,
    ...(then ? [`  ${then}`] : []),
  ].join('\n')
}

/** What `incidents` answers. */
export const describeIncidents = (incidents: readonly IncidentSummary[], zone: string): string =>
  incidents.length === 0
    ? 'No incidents.'
    : table(
        ['INCIDENT', 'NODE', 'KIND', 'SINCE', 'LASTS', 'STATE', 'WHY'],
        incidents.map((one) => [
          one.id,
          one.node,
          one.kind,
          momentOf(new Date(one.startedAt), zone),
          seconds(Math.round(one.durationSeconds)),
          stateOf(one),
          one.cause?.words ?? '',
        ]),
      )

function stateOf({ closedAt, acknowledgedBy, heldBy }: IncidentSummary): string {
  if (closedAt !== null) return 'over'
  if (acknowledgedBy !== null) return 'acknowledged'
  return heldBy === null ? 'open' : `open, by ${heldBy}`
}

/** What `incidents show` answers. */
export function describeIncident(incident: Incident, zone: string): string {
  const over = incident.closedAt === null ? 'goes on' : `lasted`
  return [
    `${incident.node}: ${incident.kind}, ${over} ${seconds(Math.round(incident.durationSeconds))} (${incident.id})`,
    ...(incident.cause ? [`  ${incident.cause.words}`] : []),
    ...(incident.heldBy !== null && incident.closedAt === null
      ? [`  depends on ${incident.heldBy}, which is or was down: nobody is told until it is back`]
      : []),
    '',
    ...incident.steps.map(({ at, words }) => `  ${momentOf(new Date(at), zone)}  ${words}`),
  ].join('\n')
}

/** What `alerts silences` answers. */
export const describeSilences = (silences: readonly Silence[], zone: string): string =>
  silences.length === 0
    ? 'Nothing is silenced.'
    : table(
        ['ID', 'NODE', 'KIND', 'FROM', 'TO', 'AGAIN', 'BY', 'WHY'],
        silences.map((one) => [
          one.id,
          one.node ?? 'all',
          one.kind,
          momentOf(new Date(one.startsAt), zone),
          momentOf(new Date(one.endsAt), zone),
          one.weekly ? `weekly (${one.zone})` : '',
          one.by,
          one.why ?? '',
        ]),
      )
