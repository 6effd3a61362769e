import type { Mount } from '../notebook-process.ts'
import type { EmulatedModel } from './options.ts'
import type { Kernel } from './state.ts'

/** The models that a session finds under `../input`, each in its folders in lower case, as public notebooks name them (read 2026-11). */
export const modelsOf = (kernel: Kernel, models: readonly EmulatedModel[]): Mount[] =>
  models
    .filter(({ source }) => kernel.modelDataSources.includes(source))
    .map(({ source, folder }) => {
      const parts = source.toLowerCase().split('/')
      return {
        folder: `models/${parts.slice(0, -1).join('/')}`,
        name: parts.at(-1) ?? '',
        path: folder,
      }
    })
