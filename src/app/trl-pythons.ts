import { fileURLToPath } from 'node:url'
import type { Config } from '../config/schema.ts'
import { AppError } from '../lib/errors.ts'
import { engineOf, type NotebookEngine } from '../notebooks/engine-of.ts'
import { type PreparedPythons, preparedPythons } from '../providers/local/prepared-pythons.ts'

/** Those that want torch and its kin. */
const engines: readonly unknown[] = ['trl', 'serve'] satisfies NotebookEngine[]

/** The Pythons of the engine `trl` and of the server on this machine, and which notebooks run in them. */
export function trlPythons(config: Pick<Config, 'RODIZIO_TRL_PYTHON'>, root: URL) {
  const venvs = fileURLToPath(new URL('.venvs/', root))
  const found = () => preparedPythons(venvs, config.RODIZIO_TRL_PYTHON)
  return {
    found,
    /** The prepared Python for a notebook that wants one at a provider; undefined for another one, or where none is prepared. */
    of: (provider: keyof PreparedPythons, notebook: string): string | undefined =>
      engines.includes(engineOf(notebook)) ? found()?.[provider] : undefined,
    /** @throws AppError `unavailable` (`trl_unprepared`) where none is prepared */
    required(): PreparedPythons {
      const pythons = found()
      if (pythons) return pythons
      throw new AppError(
        'unavailable',
        `the engine trl needs a prepared Python environment, and there is none in ${venvs}`,
        {
          code: 'trl_unprepared',
          next: 'Make them with: npm run setup:notebooks -- colab kaggle (some 6 GB each, a minute or two), or name one in RODIZIO_TRL_PYTHON',
        },
      )
    },
  }
}

export type TrlPythons = ReturnType<typeof trlPythons>
