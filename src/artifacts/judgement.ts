import { z } from 'zod'
import type { Adapter } from './adapter.ts'

const Loss = z.object({ loss: z.number() })

/** What a candidate's manifest says of its worth, as the last phase of its run has found it. */
const Metrics = z.object({
  heldOutRows: z.number().int().min(0),
  evaluation: z.object({
    candidate: Loss,
    base: Loss.nullish(),
    current: Loss.nullish(),
  }),
})

/**
 * The judgement in the metrics of an artifact; null where there is none to go by.
 * @param split SHA-256 of the held-out conversations of its run
 * @param fromAdapter the manifest hash of the adapter that the training began with
 */
export function judgementOf(
  metrics: unknown,
  split: string,
  fromAdapter: string | undefined,
): Adapter['judged'] {
  const read = Metrics.safeParse(metrics)
  if (!read.success) return null
  const { heldOutRows, evaluation } = read.data
  const { candidate, base, current } = evaluation
  return {
    split,
    rows: heldOutRows,
    loss: candidate.loss,
    baseLoss: base?.loss ?? null,
    current: current && fromAdapter ? { sha256: fromAdapter, loss: current.loss } : null,
  }
}
