/** A figure that predictions rest on, with what it rests on itself. */
export interface KnownFigure {
  readonly low: number
  readonly likely: number
  readonly high: number
  readonly source: string
}

/** Bytes of text that make a token, prompt and answer in Portuguese or English. */
const bytesPerToken = 3.5
/** What a stored line has beside its texts: `{"messages":[…]}` around two turns. */
const frameBytes = 80

/** Everything that is known of one T4 training a 7B model by LoRA. None of it was measured with these notebooks. */
export const t4 = {
  /** A T4's memory in GB (14.75 GiB). */
  memoryGb: 15.8,
  tokensPerSecond: {
    low: 75,
    likely: 150,
    high: 225,
    source:
      'estimate ± 50 %: published T4 records (unslothai/unsloth#1: plain Hugging Face, OASST 8 h 38 m; the Mistral v0.3 notebook: 60 steps of 8 chats in 870 s)',
  },
  /** Install, download, load: until the first step. */
  startSeconds: {
    low: 180,
    likely: 300,
    high: 600,
    source: 'assumed: 4.1 GB to download and two packages to install; not measured',
  },
  /** GB of Mistral 7B's weights in memory, counted: nf4 with double quantization, and 16 bit. */
  weightsGb: { nf4: 4.138, none: 14.496 },
  /** GB beside the base at rank 16: LoRA, gradients, 8-bit optimizer states (counted), the CUDA context (estimated). */
  fixedGb: { rank16: 0.42, context: 0.4 },
  /** GB for 4096 tokens at once: kept layer inputs, one layer recomputed. */
  activationGb: 3.14,
  activationTokens: 4096,
  /** What fragments, at most. */
  fragmentation: 1.17,
  memorySource:
    'estimate: weights, gradients and optimizer states counted on the model’s shapes, activations and fragmentation estimated',
} as const

/**
 * What data has to have for the weights that it trains. LIMA (Zhou et al., arXiv:2305.11206, 2023) made a good assistant of
 * 1,000 examples with 750,000 tokens; a ninth of that is where this begins to warn, for the 41,943,040 weights of rank 16 on
 * Mistral 7B. The proportion to the weights is an assumption.
 */
export const fewTokens = {
  weightsPerRank: 2_621_440, // of Mistral 7B with all seven projections, counted
  weightsPerToken: 500,
} as const

/** What a 7B base with one adapter takes when it answers, on one GPU. None of it was measured with these notebooks. */
export const serving = {
  /** GB with the base in nf4 and a short prompt: 4.138 of them counted, the rest estimated. */
  nf4Gb: 5.5,
  /** GB of the adapter's weights at rank 16, in 32 bit, counted: 41,943,040 of them. */
  adapterGb: 0.168,
  /** MB of the cache that each token of prompt and answer takes, counted on the model's shapes in 16 bit. */
  cacheMbPerToken: 0.131,
  /** Tokens at which the prediction is given: a usual prompt with its answer. */
  tokens: 2048,
  memorySource:
    'estimate: the weights (4.138 GB in nf4) and 0.131 MB of cache a token counted on the model’s shapes, what computing needs beside them estimated; not measured',
  startSource: 'assumed: 4.1 GB to download and one package to install; not measured',
} as const

/** At what speed a base larger than the usual one is assumed to arrive, and how large that one is. */
const download = { bytesPerSecond: 50e6, usualBytes: 4.1383e9 } as const

/** Seconds until the first step of a session on a base of so many bytes, at a guess, and what the guess rests on. */
export function startOf(sizeBytes: number | null): {
  readonly likely: number
  readonly source: string
} {
  const { likely, source } = t4.startSeconds
  const more = (sizeBytes ?? 0) - download.usualBytes
  if (more <= 0) return { likely, source }
  const gigabytes = ((sizeBytes ?? 0) / 1e9).toFixed(1)
  const speed = `${download.bytesPerSecond / 1e6} MB/s`
  return {
    likely: Math.round((likely + more / download.bytesPerSecond) / 30) * 30,
    source: `assumed: ${gigabytes} GB to download, at ${speed}, and two packages to install; not measured`,
  }
}

/** Tokens of a mean row, told from bytes alone, and no more than the plan's `maxLength`; the source says how. */
export function tokensPerRow(
  train: { readonly rows: number; readonly bytes: number },
  maxLength: number,
): { readonly tokens: number; readonly source: string } {
  const textBytes = Math.max(1, train.bytes / Math.max(1, train.rows) - frameBytes)
  const tokens = Math.min(maxLength, Math.max(1, Math.round(textBytes / bytesPerToken)))
  return {
    tokens,
    source: `${tokens} tokens a row, assumed from ${Math.round(textBytes)} bytes of text at ${bytesPerToken} bytes a token`,
  }
}

/** Tokens of a text, told from its bytes alone. */
export const tokensOf = (textBytes: number): number => Math.ceil(textBytes / bytesPerToken)
