/** The sizes of a decoder as its public configuration has them; everything countable follows from them. */
export interface Shape {
  readonly layers: number
  readonly hidden: number
  readonly intermediate: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headSize: number
  readonly vocabulary: number
  /** Whether the head is the embedding once more and takes no memory of its own. */
  readonly tied: boolean
  /** Whether queries, keys and values have a bias. */
  readonly biased: boolean
}

/** Bytes of a weight in nf4 with double quantization: half a byte, 8 bits for a block of 64, 32 bits for 256 blocks. */
const nf4Bytes = 0.5 + 1 / 64 + 4 / (64 * 256)

/** What each linear layer of a block takes in and gives out, the fused ones of Phi-3 as well. */
function linearLayers(
  shape: Shape,
): Readonly<Record<string, readonly [into: number, out: number]>> {
  const { hidden, intermediate, heads, keyValueHeads, headSize } = shape
  const [query, keyValue] = [heads * headSize, keyValueHeads * headSize]
  return {
    q_proj: [hidden, query],
    k_proj: [hidden, keyValue],
    v_proj: [hidden, keyValue],
    o_proj: [query, hidden],
    gate_proj: [hidden, intermediate],
    up_proj: [hidden, intermediate],
    down_proj: [intermediate, hidden],
    qkv_proj: [hidden, query + 2 * keyValue],
    gate_up_proj: [hidden, 2 * intermediate],
  }
}

/** The layers of a block whose weights are all of its linear ones, none counted twice. */
const apart = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']

/** How many weights there are: in the blocks' linear layers, which nf4 takes in, and beside them, kept in 16 bit. */
export function weightsOf(shape: Shape): { readonly linear: number; readonly kept: number } {
  const { layers, hidden, heads, keyValueHeads, headSize, vocabulary } = shape
  const sizes = linearLayers(shape)
  const block = apart.reduce(
    (sum, name) => sum + (sizes[name]?.[0] ?? 0) * (sizes[name]?.[1] ?? 0),
    0,
  )
  const embeddings = (shape.tied ? 1 : 2) * vocabulary * hidden
  const norms = (2 * layers + 1) * hidden
  const biases = shape.biased ? layers * (heads + 2 * keyValueHeads) * headSize : 0
  return { linear: layers * block, kept: embeddings + norms + biases }
}

/** Bytes of the weights in memory, and within a thousandth of the files that hold them. */
export function weightBytes(shape: Shape, quantization: 'nf4' | 'none'): number {
  const { linear, kept } = weightsOf(shape)
  return Math.round(linear * (quantization === 'nf4' ? nf4Bytes : 2) + kept * 2)
}

/** The trained weights of an adapter on those targets for each rank; a target that is none of the known layers counts nothing. */
export function loraWeightsPerRank(shape: Shape, targets: readonly string[]): number {
  const sizes = linearLayers(shape)
  const ends = targets.map((target) => sizes[target.split('.').at(-1) ?? ''] ?? [0, 0])
  return shape.layers * ends.reduce((sum, [into, out]) => sum + into + out, 0)
}

/** Bytes of the cache that each token of prompt and answer takes, in 16 bit. */
export const cacheBytesPerToken = ({ layers, keyValueHeads, headSize }: Shape): number =>
  2 * 2 * layers * keyValueHeads * headSize

/** The weights that a token is multiplied with on its way through. */
export const weightsPassed = (shape: Shape): number =>
  weightsOf(shape).linear + shape.vocabulary * shape.hidden
