import { z } from 'zod'

const Judged = z.object({ loss: z.number(), perplexity: z.number() }).nullish().catch(null)

/** What a session's own evaluation says; anything else in its place is nothing. */
const Metrics = z.object({
  heldOutRows: z.number(),
  evaluation: z.object({ base: Judged, current: Judged, candidate: Judged }),
})

/** How a candidate compares on held-out rows, in one line; none where a session has not judged it. */
export function comparison(metrics: Readonly<Record<string, unknown>>): string[] {
  const found = Metrics.safeParse(metrics)
  if (!found.success) return []
  const { heldOutRows, evaluation } = found.data
  const told = Object.entries(evaluation).flatMap(([name, judged]) =>
    judged ? [`${name} ${judged.loss.toFixed(3)} (${judged.perplexity.toFixed(2)})`] : [],
  )
  return told.length === 0
    ? []
    : [`  loss (perplexity) on ${heldOutRows} held-out rows: ${told.join(', ')}`]
}
