import type { AdapterFacts } from './adapter.ts'
import { baseNamed } from './catalogue.ts'
import { type Figure, noFigure } from './figure.ts'
import { serving, t4 } from './figures.ts'
import { inWords, rounded, tenths } from './predict.ts'
import type { ServePredictions } from './serve-recipe.ts'
import { cacheBytesPerToken, loraWeightsPerRank, weightBytes } from './shape.ts'

/**
 * What a serving session will take, from the one table in `figures.ts`. Of a base that the catalogue does not have, or of
 * an adapter whose manifest is not at hand, memory has no number and says why.
 */
export function predictServing(facts: AdapterFacts | null, seconds: number): ServePredictions {
  const { low, likely, high } = t4.startSeconds
  const known = facts !== null && baseNamed(facts.base) !== undefined
  return {
    uses: facts
      ? `${facts.base} at ${facts.revision}, ${facts.quantization}, with a LoRA adapter of r=${facts.loraRank}, one GPU`
      : 'the base that the adapter’s manifest names, one GPU',
    memory: known
      ? memoryOf(facts, serving.tokens, 1)
      : noFigure(
          'not known',
          facts
            ? 'none: this base is not in the catalogue'
            : 'none: the manifest of the adapter was not at hand',
        ),
    start: known
      ? {
          low,
          likely,
          high,
          unit: 's',
          text: `${likely / 60} min until it answers (${low / 60} to ${high / 60})`,
          source: serving.startSource,
        }
      : noFigure('not known', 'none: it depends on how the base reaches the session'),
    hours: {
      low: 0,
      likely: seconds / 3600,
      high: seconds / 3600,
      unit: 'h',
      text: `${inWords(seconds / 3600)}, then it ends by itself; they count from the first cell, asked or idle`,
      source: 'the time that was chosen',
    },
  }
}

/**
 * GB with so many adapters of a kind on their base and so many tokens of prompts and answers at once: what is counted at
 * the least; what is estimated on top; and what may fragment.
 */
export function memoryOf(facts: AdapterFacts, tokens: number, adapters: number): Figure {
  const base = baseNamed(facts.base)
  if (!base?.model) return noFigure('not known', 'none: this base is not in the catalogue')
  const { shape } = base.model
  const weights = weightBytes(shape, facts.quantization) / 1e9
  const each = loraWeightsPerRank(shape, base.targets) * facts.loraRank * 4 // in 32 bit
  const adapter = (adapters * each) / 1e9
  const cacheMb = Math.round(cacheBytesPerToken(shape) / 1000) / 1000
  const cache = (cacheMb * tokens) / 1000
  const low = weights + adapter + t4.contextGb + cache
  const likely = weights + adapter + serving.besideGb + cache
  const high = likely * t4.fragmentation
  return {
    low: tenths(low),
    likely: tenths(likely),
    high: tenths(high),
    unit: 'GB',
    text: `about ${rounded(likely)} GB (${rounded(low)} to ${rounded(high)}) of a T4’s ${t4.memoryGb} GB, ${tenths(cache)} of them for ${tokens} tokens of prompt and answer; ${cacheMb} MB more for each further token`,
    source: serving.memorySource,
  }
}
