import type { Shape } from './shape.ts'

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

/** What is known of one T4 training a 7B model by LoRA with one engine. */
export interface T4 {
  /** A T4's memory in GB (14.75 GiB). */
  readonly memoryGb: number
  readonly tokensPerSecond: KnownFigure
  /** Install, download, load: until the first step. */
  readonly startSeconds: KnownFigure
  /** GB of the CUDA context. */
  readonly contextGb: number
  /** Bytes for each token of what goes through the model at once: what is kept and what is computed beside it. */
  readonly bytesPerToken: (shape: Shape) => number
  /** What fragments, at most. */
  readonly fragmentation: number
  readonly memorySource: string
}

/** Bytes of a trained weight: itself and its gradient in 32 bit, two optimizer states in 8 bit. */
export const trainedBytes = 4 + 4 + 2

/**
 * With the engine `trl`: the input of every layer is kept in 16 bit; beside that there is either one layer, computed once more,
 * or the logits, in 16 bit and three times in 32 bit: the larger part wherever the vocabulary is large. The bytes for a unit of a
 * layer's width are fitted to 1.9 GB for a layer of Mistral 7B at 4,096 tokens, which is an estimate itself.
 */
function plainBytesPerToken({ layers, hidden, intermediate, vocabulary }: Shape): number {
  const [kept, layer, logits] = [
    2 * layers * hidden,
    27.3 * (hidden + intermediate),
    14 * vocabulary,
  ]
  return kept + Math.max(layer, logits)
}

/** With the engine `trl`. None of it was measured with these notebooks. */
export const t4: T4 = {
  memoryGb: 15.8,
  tokensPerSecond: {
    low: 75,
    likely: 150,
    high: 225,
    source:
      'estimate ± 50 %: published T4 records (unslothai/unsloth#1: plain Hugging Face, OASST 8 h 38 m; the Mistral v0.3 notebook: 60 steps of 8 chats in 870 s)',
  },
  startSeconds: {
    low: 180,
    likely: 300,
    high: 600,
    source: 'assumed: 4.1 GB to download and two packages to install; not measured',
  },
  contextGb: 0.4,
  bytesPerToken: plainBytesPerToken,
  fragmentation: 1.17,
  memorySource:
    'estimate: weights, gradients and optimizer states counted on the model’s shapes, activations, logits and fragmentation estimated',
}

/** With the engine `unsloth`, likewise. */
const t4WithUnsloth: T4 = {
  ...t4,
  tokensPerSecond: {
    low: 140,
    likely: 280,
    high: 420,
    source:
      'estimate ± 50 %: Unsloth’s executed Mistral v0.3 notebook (60 steps of 8 chats in 870 s on a T4), and the bound of 6 × 7.1e9 operations a token at 12 to 16 TFLOPS',
  },
  startSeconds: {
    low: 240,
    likely: 420,
    high: 900,
    source: 'assumed: 4.1 GB to download and some twenty packages to install; not measured',
  },
  // What a peak of 6 to 6.5 GB of Mistral 7B leaves for it; the logits are never there as a whole.
  bytesPerToken: ({ layers, hidden }) => 1.94 * layers * hidden,
  fragmentation: 1.085,
  memorySource:
    'estimate: 6 to 6.5 GB at 2 × 2048 tokens; Unsloth’s executed Mistral v0.3 notebook shows 4.52 GB after loading and 6.289 GB at the most, with short chats',
}

/** The figures of an engine that trains on a GPU. */
export const t4Of = (engine: string): T4 => (engine === 'unsloth' ? t4WithUnsloth : t4)

/**
 * What data has to have for the weights that it trains. LIMA (Zhou et al., arXiv:2305.11206, 2023) made a good assistant of
 * 1,000 examples with 750,000 tokens; a ninth of that is where this begins to warn, for the 41,943,040 weights of rank 16 on
 * Mistral 7B. The proportion to the weights is an assumption.
 */
export const fewTokens = { weightsPerToken: 500 } as const

/** What a base with one adapter takes when it answers, on one GPU, beside what is counted. None of it was measured with these notebooks. */
export const serving = {
  /** GB beside the base, the adapter and the cache: 5.5 GB for Mistral 7B in nf4 with one of rank 16 and a short prompt. */
  besideGb: 1.194,
  /** Tokens at which the prediction is given: a usual prompt with its answer. */
  tokens: 2048,
  memorySource:
    'estimate: the weights, and what the cache takes for each token, counted on the model’s shapes, what computing needs beside them estimated; not measured',
  startSource: 'assumed: 4.1 GB to download and one package to install; not measured',
} as const

/** At what speed a base larger than the usual one is assumed to arrive, and how large that one is. */
const download = { bytesPerSecond: 50e6, usualBytes: 4.1383e9 } as const

/** Seconds until the first step of a session on a base of so many bytes, at a guess, and what the guess rests on. */
export function startOf(
  engine: string,
  sizeBytes: number | null,
): {
  readonly likely: number
  readonly source: string
} {
  const { likely, source } = t4Of(engine).startSeconds
  const more = (sizeBytes ?? 0) - download.usualBytes
  if (more <= 0) return { likely, source }
  const gigabytes = ((sizeBytes ?? 0) / 1e9).toFixed(1)
  const speed = `${download.bytesPerSecond / 1e6} MB/s`
  return {
    likely: Math.round((likely + more / download.bytesPerSecond) / 30) * 30,
    source: `assumed: ${gigabytes} GB to download, at ${speed}, and what the engine needs to install; not measured`,
  }
}

/** What a comparison has at once at the most: eight prompts of 1024 tokens with answers of 64. */
export const evaluation = { tokens: 8 * (1024 + 64) } as const

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
