import { addSeconds, secondsBetween } from '../../lib/clock.ts'
import type { Accelerator, ColabSettings } from './options.ts'
import type { StateFile } from './state.ts'

/**
 * Why a machine is not given: no machine of that kind for this account at all, its hours used up, the account on the
 * list of those who get nothing, too many machines at once, none free now, or a kind it may not ask for.
 */
export const Refusals = [
  'quota_denied',
  'quota_exceeded',
  'denylisted',
  'too_many',
  'no_capacity',
  'not_entitled',
] as const
export type Refusal = (typeof Refusals)[number]

const DAY_SECONDS = 24 * 3600

/** What an account may still have, and refusals that were ordered for its next requests. */
export function createAllowance(file: StateFile, settings: ColabSettings, now: () => Date) {
  let ordered: Refusal[] = []

  /** Accelerator seconds of the last 24 hours, runtimes and opened notebooks alike. */
  const spentSeconds = (): number => {
    const begin = addSeconds(now(), -DAY_SECONDS)
    const stays = [
      ...file.state.runtimes
        .filter(({ variant }) => variant > 0)
        .map(({ assignedAt, endedAt }) => ({ startedAt: assignedAt, endedAt })),
      ...file.state.sessions.filter(({ gpu }) => gpu),
    ]
    return stays.reduce((sum, { startedAt, endedAt }) => {
      if (startedAt === null) return sum
      const from = new Date(Math.max(Date.parse(startedAt), begin.getTime()))
      const to = endedAt === null ? now() : new Date(endedAt)
      return sum + Math.max(0, secondsBetween(from, to))
    }, 0)
  }

  const held = (): { gpu: boolean }[] => [
    ...file.state.runtimes
      .filter(({ endedAt }) => endedAt === null)
      .map(({ variant }) => ({ gpu: variant > 0 })),
    ...file.state.sessions.filter((s) => s.startedAt !== null && s.endedAt === null),
  ]

  return {
    spentSeconds,
    /** Refuses the next `times` requests for a machine. */
    order: (refusal: Refusal, times: number): void => {
      ordered = [...ordered, ...Array.from({ length: times }, () => refusal)]
    },
    clear: (): void => {
      ordered = []
    },
    ordered: (): readonly Refusal[] => ordered,
    /** Why this machine is not given now, or null. An order is used up by it. */
    refusalOf: (accelerator: Accelerator): Refusal | null => {
      const [first, ...rest] = ordered
      ordered = rest
      if (first !== undefined) return first
      if (!settings.accelerators.includes(accelerator)) return 'not_entitled'
      const isGpu = accelerator !== 'NONE'
      const { gpuHoursPerDay = Number.POSITIVE_INFINITY } = settings
      if (isGpu && spentSeconds() >= gpuHoursPerDay * 3600) return 'quota_exceeded'
      if (isGpu && held().filter(({ gpu }) => gpu).length >= settings.maxGpuRuntimes)
        return 'too_many'
      return held().length >= settings.maxRuntimes ? 'too_many' : null
    },
  }
}

export type Allowance = ReturnType<typeof createAllowance>
