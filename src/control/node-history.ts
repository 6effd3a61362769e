import { type Totals, uptimeOf } from '../health/history.ts'
import type { Node } from '../health/node.ts'
import { addSeconds } from '../lib/clock.ts'

export interface HistoryRows {
  newest(
    node: number,
    most: number,
  ): Promise<{ readonly at: Date; readonly ms: number | null; readonly found: string }[]>
  /** What the probes since then come to. */
  since(node: number, from: Date): Promise<Totals[]>
  days(node: number, from: Date): Promise<{ readonly day: string; readonly totals: Totals }[]>
}

const spans = { '24h': 1, '7d': 7, '30d': 30, '90d': 90 } as const

/** What is on record of a node, as it is shown. */
export function nodeHistory(rows: HistoryRows, now: () => Date) {
  const uptime = async (node: Node, days: number) =>
    uptimeOf(await rows.since(node.number, addSeconds(now(), -days * 86_400)))
  return {
    uptime,
    async of(node: Node) {
      const told = []
      for (const [span, days] of Object.entries(spans)) {
        // The keys of `spans`.
        told.push({ span: span as keyof typeof spans, ...(await uptime(node, days)) })
      }
      const probes = await rows.newest(node.number, 50)
      const days = await rows.days(node.number, addSeconds(now(), -90 * 86_400))
      return {
        uptime: told,
        probes: probes.map(({ at, ms, found }) => ({ at: at.toISOString(), ms, found })),
        days: days.map(({ day, totals }) => ({ day, percent: uptimeOf([totals]).percent })),
      }
    },
  }
}

export type NodeHistory = ReturnType<typeof nodeHistory>
