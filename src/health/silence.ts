import { wallMs } from '../lib/zone.ts'

/** For what it covers nobody is told anything; all of it stays on record. */
export interface Silence {
  readonly id: string
  /** The node's id; null for all of them. */
  readonly node: string | null
  /** A person's own, or planned work. */
  readonly kind: 'silence' | 'maintenance'
  readonly startsAt: Date
  /** There always is an end. */
  readonly endsAt: Date
  /** Again at the same local time of every week, for as long each time. */
  readonly isWeekly: boolean
  /** In which a weekly one keeps its local time. */
  readonly zone: string
  readonly why: string | null
  readonly madeBy: string
  readonly createdAt: Date
  /** Taken back before its end. */
  readonly endedAt: Date | null
}

const dayMs = 86_400_000

/** Whether it covers that node at that moment. */
export function covers(silence: Silence, node: string, at: Date): boolean {
  if (silence.endedAt !== null || (silence.node !== null && silence.node !== node)) return false
  if (at < silence.startsAt) return false
  if (!silence.isWeekly) return at < silence.endsAt
  const lengthMs = silence.endsAt.getTime() - silence.startsAt.getTime()
  // By local time: where clocks are moved between two weeks, it begins by the new ones.
  const passed = wallMs(silence.zone, at) - wallMs(silence.zone, silence.startsAt)
  return passed % (7 * dayMs) < lengthMs
}

export const isSilenced = (silences: readonly Silence[], node: string, at: Date): boolean =>
  silences.some((silence) => covers(silence, node, at))
