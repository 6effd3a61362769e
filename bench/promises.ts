/** What a bench measured; null where this machine could not measure it. */
export type Figures = Readonly<Record<string, number | null>>

/** A figure that must not be exceeded, or must be reached. */
export interface Limit {
  readonly figure: string
  readonly atMost?: number
  readonly atLeast?: number
  /** Times depend on what else the machine does; memory does not. */
  readonly of: 'time' | 'memory'
}

/** A sentence for each promise that was not kept. */
export const check = (figures: Figures, promises: readonly Limit[]): string[] =>
  promises.flatMap(({ figure, atMost, atLeast }) => {
    const measured = figures[figure]
    if (measured === undefined || measured === null) return [`${figure} was not measured`]
    if (atMost !== undefined && measured > atMost) {
      return [`${figure} is ${measured}, promised at most ${atMost}`]
    }
    if (atLeast !== undefined && measured < atLeast) {
      return [`${figure} is ${measured}, promised at least ${atLeast}`]
    }
    return []
  })

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits))
