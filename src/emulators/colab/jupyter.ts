import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import {
  isSameProcessAlive,
  killGroup,
  processesWith,
  processStartedAt,
} from '../../lib/processes.ts'
import { readJsonFile } from '../json-file.ts'

/** A Jupyter server that plays a virtual machine. */
export interface JupyterServer {
  readonly port: number
  readonly pid: number
  readonly processStartedAt: string | null
}

export interface JupyterOrder {
  readonly dir: string
  readonly python: string
  readonly token: string
  readonly timeoutMs: number
  readonly clock: Clock
}

const homeOf = (dir: string): string => join(dir, 'home')

/**
 * On a real machine `/content` is where everybody works. Here it would be a folder of the whole computer, so that this
 * one path is led into the machine's own folder, for the two calls by which clients go there.
 */
const startupOf = (content: string): string => `
import os
def _led(call):
    def lead(path, *args, **kwargs):
        return call(${JSON.stringify(content)} if path == '/content' else path, *args, **kwargs)
    return lead
os.makedirs, os.chdir = _led(os.makedirs), _led(os.chdir)
`

/**
 * Starts a Jupyter server in a process group of its own, with nothing of this process's environment, and waits until it
 * answers. Null when it did not come up in time; what it said is in `jupyter.log` of its folder.
 */
export async function startJupyter(order: JupyterOrder): Promise<JupyterServer | null> {
  const { dir, python, token, timeoutMs, clock } = order
  const content = join(dir, 'root', 'content')
  const startup = join(dir, 'ipython', 'profile_default', 'startup')
  const runtimeDir = join(dir, 'jupyter')
  const temporary = join(dir, 'tmp')
  for (const folder of [content, startup, runtimeDir, temporary, homeOf(dir)])
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(join(startup, '00-content.py'), startupOf(content))
  // What is sent here may hold secrets; a history would keep them.
  writeFileSync(join(startup, '..', 'ipython_config.py'), 'c.HistoryManager.enabled = False\n')
  const log = openSync(join(dir, 'jupyter.log'), 'a', 0o600)
  const settings = {
    ip: '127.0.0.1',
    port: 0,
    root_dir: join(dir, 'root'),
    allow_root: true,
    open_browser: false,
    terminals_enabled: false,
  }
  const flags = Object.entries(settings).map(([name, value]) => {
    const isFlag = typeof value === 'boolean'
    return `--ServerApp.${name}=${isFlag ? (value ? 'True' : 'False') : value}`
  })
  const child = spawn(python, ['-m', 'jupyter_server', ...flags], {
    cwd: content,
    detached: true,
    stdio: ['ignore', log, log],
    env: {
      PATH: `${dirname(python)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: homeOf(dir),
      TMPDIR: temporary,
      LANG: 'C.UTF-8',
      PYTHONUNBUFFERED: '1',
      IPYTHONDIR: join(dir, 'ipython'),
      JUPYTER_CONFIG_DIR: join(dir, 'jupyter'),
      JUPYTER_RUNTIME_DIR: runtimeDir,
      JUPYTER_TOKEN: token, // not among the arguments, which everybody can list
      COLAB_RELEASE_TAG: 'release-colab-emulated',
    },
  })
  closeSync(log)
  let failed = false
  child.once('error', () => {
    failed = true // told below: it never answers
  })
  child.unref()
  const { pid } = child
  if (pid === undefined) return null
  const server = { pid, processStartedAt: processStartedAt(pid) }
  const began = clock.monotonicMs()
  while (!failed && child.exitCode === null && clock.monotonicMs() - began < timeoutMs) {
    const port = portIn(join(runtimeDir, `jpserver-${pid}.json`))
    if (port !== null && (await kernelsOf(port, token)) !== null) return { ...server, port }
    await delay(50)
  }
  endJupyter(dir, server)
  return null
}

const Info = z.object({ port: z.number().int().min(1) })

/** Where a server says it listens, or null while it has not said so. */
function portIn(path: string): number | null {
  try {
    const info = Info.safeParse(readJsonFile(path))
    return info.success ? info.data.port : null
  } catch {
    return null // half a file: it is just being written
  }
}

/** Ends a server and whatever was started on it: kernels lead sessions of their own, which its group does not hold. */
export function endJupyter(dir: string, server: Omit<JupyterServer, 'port'>): void {
  const { pid, processStartedAt: started } = server
  if (started === null || isSameProcessAlive(pid, started)) killGroup(pid)
  for (let round = 0; round < 5; round += 1) {
    const left = processesWith(`HOME=${homeOf(dir)}`)
    if (left.length === 0) return
    for (const one of left) killGroup(one)
    for (const one of left) killOne(one)
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // ESRCH: its group took it along.
  }
}

const Kernels = z.array(z.object({ execution_state: z.string() }))

/** The states of the kernels (`busy`, `idle`, …), or null when the server does not answer. */
export async function kernelsOf(port: number, token: string): Promise<readonly string[] | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/api/kernels`, {
      headers: { authorization: `token ${token}` },
      signal: AbortSignal.timeout(5000),
    })
    const kernels = Kernels.safeParse(await response.json())
    return kernels.success ? kernels.data.map((kernel) => kernel.execution_state) : null
  } catch {
    return null // not listening yet, or any more
  }
}
