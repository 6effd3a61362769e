import { z } from 'zod'

/** The fields that are read from Kaggle's answers. Everything else in them is let through and ignored. */
const text = z.string().nullish()
const texts = z.array(z.string()).nullish()

export const SaveKernelAnswer = z.looseObject({
  ref: text,
  url: text,
  versionNumber: z.number().nullish(),
  kernelId: z.number().nullish(),
  error: text,
  invalidDatasetSources: texts,
  invalidCompetitionSources: texts,
  invalidKernelSources: texts,
  invalidModelSources: texts,
})

export const StatusAnswer = z.looseObject({ status: text, failureMessage: text })

/** `45000s`, with a fraction or without. */
const Duration = z
  .string()
  .regex(/^\d+(\.\d+)?s$/)
  .transform((value) => Number(value.slice(0, -1)))

const Quota = z.looseObject({
  timeUsed: Duration.nullish(),
  timeReserved: Duration.nullish(),
  totalTimeAllowed: Duration.nullish(),
})

export const QuotaAnswer = z.looseObject({
  quotaRefreshTime: text,
  gpuQuota: Quota.nullish(),
})

export const OutputAnswer = z.looseObject({
  files: z.array(z.looseObject({ fileName: z.string(), url: z.string() })).nullish(),
  log: text,
  nextPageToken: text,
})

export const IntrospectAnswer = z.looseObject({ active: z.boolean().nullish(), username: text })

export const LogEvent = z.looseObject({ data: z.string() })

/** Kaggle's error envelope, flat or nested. */
const Flat = z.looseObject({ code: z.number(), message: z.string() })
const Nested = z.looseObject({ error: Flat })

/** The code and message of an error envelope, or null for any other answer. */
export function readEnvelope(value: unknown): { code: number; message: string } | null {
  const nested = Nested.safeParse(value)
  if (nested.success) return nested.data.error
  const flat = Flat.safeParse(value)
  return flat.success ? flat.data : null
}
