import {
  type DeepTotals,
  deepTotalsOf,
  type KeptDeepProbe,
  tokenTimes,
} from '../health/deep-history.ts'
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

export interface DeepHistoryRows {
  newest(node: number, most: number): Promise<KeptDeepProbe[]>
  days(node: number, from: Date): Promise<(DeepTotals & { readonly day: string })[]>
}

const spans = { '24h': 1, '7d': 7, '30d': 30, '90d': 90 } as const

/** Of the last 24 hours each by itself: they are kept for longer, and are few. */
const mostInADay = 1000

/** What is on record of a node, as it is shown. */
export function nodeHistory(rows: HistoryRows, deepRows: DeepHistoryRows, now: () => Date) {
  const uptime = async (node: Node, days: number) =>
    uptimeOf(await rows.since(node.number, addSeconds(now(), -days * 86_400)))
  return {
    uptime,
    /** Of deep probes: a day, probe by probe; longer spans by days (UTC). */
    async tokens(node: Node) {
      const from = (days: number) => addSeconds(now(), -days * 86_400)
      const newest = await deepRows.newest(node.number, mostInADay)
      const all = await deepRows.days(node.number, from(90))
      const told = Object.entries(spans).map(([span, days]) => {
        const oldest = from(days)
        const totals =
          days === 1
            ? [deepTotalsOf(newest.filter(({ at }) => at >= oldest))]
            : all.filter(({ day }) => day >= oldest.toISOString().slice(0, 10))
        // The keys of `spans`.
        return { span: span as keyof typeof spans, ...tokenTimes(totals) }
      })
      const probes = newest
        .slice(0, 20)
        .map(({ at, ...found }) => ({ at: at.toISOString(), ...found }))
      return { tokens: told, probes }
    },
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
