import { spawnSync } from 'node:child_process'

export interface Python {
  /** The interpreter behind the name: an environment made through a shim would point at the shim. */
  readonly path: string
  readonly version: string
}

const ASK = 'import sys; print(sys.executable, sys.version.split()[0], sep="\\n")'

/** The first Python of these lines (12 for 3.12) that runs: by its own name on the path, or among those of pyenv. */
export function pythonOfLines(lines: readonly number[]): Python | null {
  for (const line of lines) {
    for (const name of [`python3.${line}`, 'python3']) {
      const found = ask(name, {})
      if (found?.version.startsWith(`3.${line}.`)) return found
    }
    for (const version of pyenvVersions()) {
      if (!version.startsWith(`3.${line}.`)) continue
      const found = ask('python3', { PYENV_VERSION: version })
      if (found) return found
    }
  }
  return null
}

function ask(name: string, env: Record<string, string>): Python | null {
  const ran = spawnSync(name, ['-c', ASK], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [path = '', version = ''] = ran.status === 0 ? ran.stdout.trim().split('\n') : []
  return path === '' ? null : { path, version }
}

function pyenvVersions(): string[] {
  const installed = spawnSync('pyenv', ['versions', '--bare'], { encoding: 'utf8' })
  return installed.status === 0 ? installed.stdout.split(/\s+/).filter(Boolean) : []
}
