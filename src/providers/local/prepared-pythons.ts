import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { resolvePython } from './python.ts'

/** The interpreters with the libraries of the engine `trl`, by where a session runs or seems to run. */
export interface PreparedPythons {
  /** With the library versions of Kaggle's image, where that environment is there. */
  readonly kaggle: string
  /** With those of Colab's image, likewise. */
  readonly colab: string
  readonly local: string
}

/** What a session of the engine imports. */
const modules = ['torch', 'transformers', 'peft', 'accelerate', 'datasets', 'trl', 'bitsandbytes']

/**
 * The prepared Pythons of this machine: the one that a person names, for all, or else those that `npm run setup:notebooks` has
 * made below `venvs`, one standing in for another. Undefined where there are none. Looked for at each call: they may be made
 * while a service runs.
 * @throws AppError for a named one: `python_missing` when it does not run, `trl_python_incomplete` when it lacks a library
 */
export function preparedPythons(
  venvs: string,
  named: string | undefined,
): PreparedPythons | undefined {
  if (named !== undefined) {
    const python = resolvePython(named, 'RODIZIO_TRL_PYTHON')
    refuseIncomplete(python)
    return { kaggle: python, colab: python, local: python }
  }
  const made = (stack: string): string | undefined => {
    const folder = join(venvs, `notebooks-${stack}`)
    // The stamp is written last: an environment without it was cut short.
    return existsSync(join(folder, 'lock.sha256')) ? join(folder, 'bin', 'python') : undefined
  }
  const [newest, colab, kaggle] = [made('newest'), made('colab'), made('kaggle')]
  const any = colab ?? kaggle ?? newest
  if (any === undefined) return undefined
  return { kaggle: kaggle ?? any, colab: colab ?? any, local: newest ?? any }
}

const complete = new Set<string>()

function refuseIncomplete(python: string): void {
  if (complete.has(python)) return
  const ask = `import importlib.util as u; print(*[n for n in ${JSON.stringify(modules)} if not u.find_spec(n)])`
  const lacking = execFileSync(python, ['-c', ask], { encoding: 'utf8' }).trim()
  if (lacking === '') {
    complete.add(python)
    return
  }
  const missing = lacking.split(' ').join(', ')
  throw new AppError('invalid', `RODIZIO_TRL_PYTHON: ${python} lacks ${missing}`, {
    code: 'trl_python_incomplete',
    next: 'Install them there, or unset it and make an environment with: npm run setup:notebooks',
  })
}
