import type { Figure } from './figure.ts'
import type { Literal } from './python-text.ts'

/** What one kind of notebook is assembled from; the assembling itself is the same for all kinds. */
export interface KindCells<Recipe> {
  readonly headerPath: string
  /** The template of the cell with that tag, below `templates/`. */
  readonly templatePath: (recipe: Recipe, tag: string) => string
  /** What a `# write: target = source` line of a template means by its source. */
  readonly sourcePath: (recipe: Recipe, source: string) => string
  /** The values of the parameters cell, by the names that stand there. */
  readonly parameters: (recipe: Recipe) => Readonly<Record<string, Literal>>
  /** What the header asks for as `{{name}}` and `{{nameSource}}`. */
  readonly figures: (recipe: Recipe) => Readonly<Record<string, Figure>>
  /** What the header asks for as `{{name}}`. */
  readonly words: (recipe: Recipe) => Readonly<Record<string, string>>
}
