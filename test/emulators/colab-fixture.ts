import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenedView } from '../../src/emulators/colab/admin.ts'
import type { ColabEmulatorOptions } from '../../src/emulators/colab/options.ts'
import { type ColabEmulator, startColabEmulator } from '../../src/emulators/colab/server.ts'
import { resolvePython } from '../../src/emulators/notebook-process.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { runnerPath, temporaryFolder, until } from './kaggle-fixture.ts'

/** A program in a folder that passes for a Python with jupyter_server. */
export function jupyterStandIn(folder: string): string {
  const path = join(folder, 'jupyter-stand-in')
  const server = join(import.meta.dirname, 'jupyter_stand_in.py')
  const python = resolvePython('python3')
  writeFileSync(path, `#!/bin/sh\nSTAND_IN='${path}' exec '${python}' '${server}' "$@"\n`)
  chmodSync(path, 0o755)
  return path
}

export const colabIn = (
  stateDir: string,
  options: Partial<ColabEmulatorOptions> = {},
): Promise<ColabEmulator> =>
  startColabEmulator({
    stateDir,
    runnerPath,
    clock: systemClock,
    jupyterPython: jupyterStandIn(stateDir),
    ...options,
  })

/** An emulator in a folder of its own; both are gone at the end of the block. */
export async function freshColab(
  options: Partial<ColabEmulatorOptions> = {},
): Promise<ColabEmulator> {
  const folder = temporaryFolder()
  const emulator = await colabIn(folder.path, options)
  return {
    ...emulator,
    [Symbol.asyncDispose]: async () => {
      await emulator.close()
      folder[Symbol.dispose]()
    },
  }
}

export interface Answer {
  readonly status: number
  readonly text: string
  /** The JSON behind the prefix; undefined when there is no prefix. */
  readonly value: unknown
}

/** A call of the backend, signed in unless told otherwise. */
export async function call(
  { url }: Pick<ColabEmulator, 'url'>,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const signedIn = { authorization: 'Bearer ya29.somebody', ...headers }
  const response = await fetch(url + path, { method, headers: signedIn })
  const text = await response.text()
  const prefix = ")]}'\n"
  const value = text.startsWith(prefix) ? JSON.parse(text.slice(prefix.length)) : undefined
  return { status: response.status, text, value }
}

/** What the service calls a notebook: a number of its own in the form of a UUID. */
export const hash = (n = 1): string =>
  `00000000_0000_4000_8000_${String(n).padStart(12, '0')}`.padEnd(44, '.')

export const assignPath = (n = 1, accelerator = 'T4'): string =>
  `/tun/m/assign?nbh=${hash(n)}&variant=${accelerator === 'NONE' ? 'DEFAULT' : 'GPU'}&accelerator=${accelerator}&authuser=0`

export interface Assigned {
  readonly endpoint: string
  readonly outcome: number
  readonly runtimeProxyInfo: { readonly url: string; readonly token: string }
}

/** Asks for a machine as the command line does: first for a token, then for the machine. */
export async function assign(
  emulator: Pick<ColabEmulator, 'url'>,
  n = 1,
  accelerator = 'T4',
): Promise<Answer & { readonly value: Assigned }> {
  const offered = await call(emulator, 'GET', assignPath(n, accelerator))
  const { token } = offered.value as { token: string }
  const answer = await call(emulator, 'POST', assignPath(n, accelerator), {
    'x-goog-colab-token': token,
  })
  return { ...answer, value: answer.value as Assigned }
}

export async function admin(
  emulator: Pick<ColabEmulator, 'url' | 'adminToken'>,
  method: string,
  name: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${emulator.url}/_emulator/${name}`, {
    method,
    headers: { 'x-emulator-token': emulator.adminToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}

/** The newest notebook of a name as soon as it is in one of these states. */
export const opened = (
  emulator: ColabEmulator,
  name: string,
  ...states: string[]
): Promise<OpenedView> =>
  until(`${name} in ${states.join(' or ')}`, () => {
    const found = emulator.admin.state().notebooks.findLast((one) => one.name === name)
    return found && states.includes(found.state) ? found : undefined
  })
