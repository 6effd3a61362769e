import type { AlertChannel } from '../api/alert-schemas.ts'
import type { NodeSummary } from '../api/node-schemas.ts'
import { freeTunnelRequests, looksPerMonth, probeShare } from '../health/probe-budget.ts'
import { bad, type Check, good } from './check.ts'

/** What looks take of each tunnel account's requests in a month. */
export function tunnelBudgets(nodes: readonly NodeSummary[]): Check[] {
  const counting = nodes.filter(({ tunnelAccount }) => tunnelAccount !== null)
  return [...Map.groupBy(counting, ({ tunnelAccount }) => tunnelAccount)].map(
    ([account, behind]) => {
      const looks = behind.reduce((sum, { turnSeconds }) => sum + looksPerMonth(1, turnSeconds), 0)
      const share = Math.round((100 * looks) / freeTunnelRequests)
      const count = behind.length === 1 ? 'one node' : `${behind.length} nodes`
      const found = `looks at ${count} take ${looks} of ${freeTunnelRequests} requests a month (${share} %)`
      return looks <= freeTunnelRequests * probeShare + behind.length
        ? good(`tunnel account ${account}`, found)
        : bad(
            `tunnel account ${account}`,
            found,
            'Look less often: rodizio nodes change NAME --every 30m',
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
