import { z } from 'zod'
import { ServeRecipe } from './serve-recipe.ts'
import { TrainRecipe } from './train-recipe.ts'

/** What a notebook is made from, by its kind. */
export const Recipe = z.discriminatedUnion('kind', [TrainRecipe, ServeRecipe])
export type Recipe = z.infer<typeof Recipe>
