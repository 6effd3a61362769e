import { execFileSync } from 'node:child_process'
import { AppError } from '../../lib/errors.ts'

const known = new Map<string, string>()

/**
 * The interpreter behind a name, resolved once: `python3` may be a shim that costs time at each start.
 * @param setting the setting that gave the name
 * @throws AppError `unavailable` (`python_missing`) when it does not run
 */
export function resolvePython(name: string, setting = 'RODIZIO_PYTHON'): string {
  const before = known.get(name)
  if (before) return before
  try {
    const path = execFileSync(name, ['-c', 'import sys; print(sys.executable)'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    known.set(name, path)
    return path
  } catch (cause) {
    throw new AppError(
      'unavailable',
      `${name} does not run on this machine, and notebooks need it`,
      {
        code: 'python_missing',
        next: `Install Python 3, or set ${setting} to the interpreter`,
        cause,
      },
    )
  }
}
