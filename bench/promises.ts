/** What a bench measured; null where this machine could not measure it. */
export type Figures = Readonly<Record<string, number | null>>

/** A figure that must not be exceeded. */
export interface Limit {
  readonly figure: string
  readonly atMost: number
  /** Times depend on what else the machine does; memory does not. */
  readonly of: 'time' | 'memory'
}

/** A sentence for each promise that was not kept. */
export const check = (figures: Figures, promises: readonly Limit[]): string[] =>
  promises.flatMap(({ figure, atMost }) => {
    const measured = figures[figure]
    if (measured === undefined || measured === null) return [`${figure} was not measured`]
    return measured > atMost ? [`${figure} is ${measured}, promised at most ${atMost}`] : []
  })

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits))
