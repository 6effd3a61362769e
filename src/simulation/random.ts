import { sha256Hex } from '../lib/random.ts'

/** Chance that repeats itself: the same seed and name give the same numbers, in the order of asking. */
export interface Random {
  /** From `low` (0) up to `high` (1), the end not included. */
  uniform(low?: number, high?: number): number
  /** How long until something that comes on average every `mean`. */
  exponential(mean: number): number
  /** True with that probability; draws one number whatever it is. */
  chance(share: number): boolean
  /** Between `low` and `high`, most often near `mode`. */
  triangular(low: number, mode: number, high: number): number
  /** Half of all are below `median`; about two thirds lie within a factor `spread` (at least 1) of it. */
  logNormal(median: number, spread: number): number
}

const rounds = 15

/**
 * A stream of its own for each name, such as `kaggle/ana/queue`: what one part draws never moves another part's numbers.
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand 0.95, public domain: https://pracrand.sourceforge.net/), its 96 bits of
 * state taken from the SHA-256 of seed and name; the first rounds are thrown away.
 */
export function stream(seed: number, name: string): Random {
  const hash = sha256Hex(`${seed}/${name}`)
  const word = (at: number): number => Number.parseInt(hash.slice(at * 8, at * 8 + 8), 16) | 0
  let a = word(0)
  let b = word(1)
  let c = word(2)
  let counter = 1
  const next = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4_294_967_296
  }
  for (let round = 0; round < rounds; round += 1) next()

  return {
    uniform: (low = 0, high = 1) => low + (high - low) * next(),
    exponential: (mean) => -mean * Math.log(1 - next()),
    chance: (share) => next() < share,
    triangular(low, mode, high) {
      const drawn = next()
      const width = high - low
      if (width <= 0) return low
      const rise = (mode - low) / width
      return drawn < rise
        ? low + Math.sqrt(drawn * width * (mode - low))
        : high - Math.sqrt((1 - drawn) * width * (high - mode))
    },
    logNormal(median, spread) {
      // Box and Muller's way to a normal number (1958).
      const radius = Math.sqrt(-2 * Math.log(1 - next()))
      return median * spread ** (radius * Math.cos(2 * Math.PI * next()))
    },
  }
}
