import type { Shape } from './shape.ts'

/** What all copies of one model have in common, in whatever form they are stored. */
export interface Model {
  readonly name: string
  /** The chat format that it was taught, by the name of `chat_templates.py`. */
  readonly template: 'Mistral' | 'Llama 3' | 'Gemma' | 'Phi-3' | 'ChatML'
  readonly licence: string
  /** The tokens that it reads at the most. */
  readonly context: number
  /** From its public configuration; the count of weights that follows is the published one (tested). */
  readonly shape: Shape
}

export const mistral7b: Model = {
  name: 'Mistral 7B Instruct v0.3',
  template: 'Mistral',
  licence: 'Apache-2.0',
  context: 32_768,
  shape: {
    layers: 32,
    hidden: 4096,
    intermediate: 14_336,
    heads: 32,
    keyValueHeads: 8,
    headSize: 128,
    vocabulary: 32_768,
    tied: false,
    biased: false,
  },
}

export const llama8b: Model = {
  name: 'Llama 3.1 8B Instruct',
  template: 'Llama 3',
  licence: 'Llama 3.1 Community License',
  context: 131_072,
  shape: { ...mistral7b.shape, vocabulary: 128_256 },
}

export const qwen7b: Model = {
  name: 'Qwen2.5 7B Instruct',
  template: 'ChatML',
  licence: 'Apache-2.0',
  context: 32_768,
  shape: {
    layers: 28,
    hidden: 3584,
    intermediate: 18_944,
    heads: 28,
    keyValueHeads: 4,
    headSize: 128,
    vocabulary: 152_064,
    tied: false,
    biased: true,
  },
}

export const phi3Mini: Model = {
  name: 'Phi-3 mini 4k Instruct',
  template: 'Phi-3',
  licence: 'MIT',
  context: 4096,
  shape: {
    layers: 32,
    hidden: 3072,
    intermediate: 8192,
    heads: 32,
    keyValueHeads: 32,
    headSize: 96,
    vocabulary: 32_064,
    tied: false,
    biased: false,
  },
}

export const gemma7b: Model = {
  name: 'Gemma 7B it',
  template: 'Gemma',
  licence: 'Gemma Terms of Use',
  context: 8192,
  shape: {
    layers: 28,
    hidden: 3072,
    intermediate: 24_576,
    heads: 16,
    keyValueHeads: 16,
    headSize: 256,
    vocabulary: 256_000,
    tied: true,
    biased: false,
  },
}
