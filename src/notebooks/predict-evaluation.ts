import { baseNamed } from './catalogue.ts'
import type { Compared } from './evaluate-recipe.ts'
import { noFigure } from './figure.ts'
import { evaluation } from './figures.ts'
import { inWords } from './predict.ts'
import { memoryOf, predictServing } from './predict-serving.ts'
import type { ServePredictions } from './serve-recipe.ts'

/**
 * What a comparison will take, from the one table in `figures.ts`: what serving does, with one adapter more where there is a
 * current one, and eight answers at once. How long the comparison itself takes nobody has measured.
 */
export function predictEvaluation(
  candidate: Compared['facts'],
  adapters: 1 | 2,
  seconds: number,
): ServePredictions {
  const { uses, start, hours } = predictServing(candidate, seconds)
  const known = candidate !== null && baseNamed(candidate.base) !== undefined
  return {
    uses: adapters === 1 ? uses : `${uses}; a second adapter beside it`,
    memory: known
      ? memoryOf(candidate, evaluation.tokens, adapters)
      : noFigure('not known', 'none: nothing is known about the base'),
    start: known
      ? { ...start, text: start.text.replace('until it answers', 'until it begins') }
      : start,
    hours: {
      ...hours,
      likely: null,
      text: `${inWords(seconds / 3600)} at the most, then it ends by itself; how long it takes has not been measured`,
    },
  }
}
