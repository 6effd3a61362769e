import type { AlertChannel } from '../api/alert-schemas.ts'
import type { NodeSummary } from '../api/node-schemas.ts'
import { freeTunnelRequests, probeShare, probesPerMonth } from '../health/probe-budget.ts'
import { bad, type Check, good } from './check.ts'

/** What probes take of each tunnel account's requests in a month. */
export function tunnelBudgets(nodes: readonly NodeSummary[]): Check[] {
  const counting = nodes.filter(({ tunnelAccount }) => tunnelAccount !== null)
  return [...Map.groupBy(counting, ({ tunnelAccount }) => tunnelAccount)].map(
    ([account, behind]) => {
      const probes = behind.reduce(
        (sum, { turnSeconds, deep }) =>
          sum + probesPerMonth(1, turnSeconds) + (deep ? probesPerMonth(1, deep.turnSeconds) : 0),
        0,
      )
      const share = Math.round((100 * probes) / freeTunnelRequests)
      const count = behind.length === 1 ? 'one node' : `${behind.length} nodes`
      const found = `probes of ${count} take ${probes} of ${freeTunnelRequests} requests a month (${share} %)`
      return probes <= freeTunnelRequests * probeShare + 2 * behind.length
        ? good(`tunnel account ${account}`, found)
        : bad(
            `tunnel account ${account}`,
            found,
            'Probe less often: rodizio nodes change NAME --every 30m',
          )
    },
  )
}

/** Nodes that are not up now. */
export function nodesDown(nodes: readonly NodeSummary[]): Check[] {
  return nodes
    .filter(({ state }) => state === 'down' || state === 'unstable' || state === 'limited')
    .map(({ name, state, cause }) =>
      bad(
        `node ${name}`,
        cause ? `${state}: ${cause.words}` : state,
        `rodizio nodes show ${name} has its record`,
      ),
    )
}

/** Deep probes that learn nothing, since their key or their request is not taken. */
export function deepRefused(nodes: readonly NodeSummary[]): Check[] {
  return nodes
    .filter(({ deep }) => deep?.state === 'refused')
    .map(({ name, deep }) =>
      bad(
        `deep probe of ${name}`,
        deep?.words ?? 'it is refused',
        `Set it right: rodizio nodes change ${name} --deep-key-file FILE, --deep-model or --deep-url`,
      ),
    )
}

/** Channels that take no messages. */
export function brokenChannels(channels: readonly AlertChannel[]): Check[] {
  return channels
    .filter(({ broken }) => broken !== null)
    .map(({ name, broken }) =>
      bad(
        `alerts by ${name}`,
        broken?.said ?? 'its sign-in was refused',
        'Set its sign-in right, then: rodizio alerts test',
      ),
    )
}
