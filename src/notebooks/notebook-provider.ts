import { z } from 'zod'

/** Where a notebook is to run. */
export const NotebookProvider = z.enum(['kaggle', 'colab', 'local'])
export type NotebookProvider = z.infer<typeof NotebookProvider>

/** A notebook's name: also its title and slug at Kaggle, which must say the same, so that a lost launch is found. */
export const NotebookName = z.string().regex(/^[a-z0-9](?:-?[a-z0-9]){4,48}$/)
