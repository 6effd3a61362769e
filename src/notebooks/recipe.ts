import { z } from 'zod'
import { EvaluateRecipe } from './evaluate-recipe.ts'
import { ServeRecipe } from './serve-recipe.ts'
import { ServeSessionRecipe } from './serve-session-recipe.ts'
import { TrainRecipe } from './train-recipe.ts'

/** What a notebook is made from, by its kind. */
export const Recipe = z.discriminatedUnion('kind', [
  TrainRecipe,
  ServeRecipe,
  ServeSessionRecipe,
  EvaluateRecipe,
])
export type Recipe = z.infer<typeof Recipe>
