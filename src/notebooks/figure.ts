import { z } from 'zod'

/** One predicted figure: a range with its unit, null where nothing can be said, and where it comes from. */
export const Figure = z.strictObject({
  low: z.number().nullable(),
  likely: z.number().nullable(),
  high: z.number().nullable(),
  unit: z.string(),
  text: z.string(),
  source: z.string(),
})
export type Figure = z.infer<typeof Figure>

/** A figure without a number: what is said in its place, and why there is none. */
export const noFigure = (text: string, source: string): Figure => ({
  low: null,
  likely: null,
  high: null,
  unit: '',
  text,
  source,
})
