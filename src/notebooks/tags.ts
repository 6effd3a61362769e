import type { Recipe } from './recipe.ts'

/** The tags of the code cells of each kind of notebook, in the order in which they stand. */
export const cellTags = {
  train: ['parameters', 'agent', 'install', 'probe', 'store', 'data', 'model', 'train', 'finish'],
  serve: ['parameters', 'install', 'probe', 'store', 'model', 'tunnel', 'serve'],
  'serve-session': ['parameters', 'agent', 'install', 'probe', 'store', 'model', 'serve', 'finish'],
  evaluate: ['parameters', 'install', 'probe', 'store', 'data', 'model', 'evaluate'],
} as const satisfies Record<Recipe['kind'], readonly string[]>

export type CellTag = (typeof cellTags)[Recipe['kind']][number]
