import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const projectRoot = fileURLToPath(new URL('../', import.meta.url))
export const program = join(projectRoot, 'dist/rodizio.js')
/** As the program's own first line has them; the last keeps an optimizing compiler away from fetch's HTTP parser, which costs 13 MB. */
export const commandFlags = [
  '--optimize-for-size',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--liftoff-only',
]

/** As package.json's `start` has them: collecting the heap's garbage less often, on one thread, takes a sixth less processor. */
export const shippedFlags = [...commandFlags, '--heap-growing-percent=50', '--single-threaded-gc']

/** A field of /proc/<pid>/status in MB (10^6 bytes), such as VmRSS now or VmHWM at its highest; NaN where there is no /proc. */
export function memoryMb(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]
    return (Number(kibibytes) * 1024) / 1e6
  } catch {
    return Number.NaN // it has ended, or this system has no /proc
  }
}

/** Lets VmHWM begin anew at what the process holds now (proc(5), clear_refs); where that cannot be, a peak stays what it was. */
export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // No /proc, or not writable: the figure is then too high, never too low.
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

export const answers = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    get(url, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode === 200))
    }).on('error', () => resolve(false))
  })

export interface Served {
  readonly child: ChildProcess
  readonly url: string
  readonly env: Readonly<Record<string, string>>
  /** From the start of the process to the first answer of /health. */
  readonly coldStartMs: number
  stop(): Promise<void>
}

/** The shipped service without emulators; `wrap` may put the process into a control group before it runs. */
export async function serve(
  dataDir: string,
  wrap: readonly string[] = [],
  settings: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const port = await freePort()
  const env = {
    PATH: process.env.PATH ?? '',
    RODIZIO_DATA_DIR: dataDir,
    RODIZIO_PORT: String(port),
    RODIZIO_EMULATORS: 'off',
    ...settings,
  }
  const url = `http://127.0.0.1:${port}`
  const command = [...wrap, process.execPath, ...shippedFlags, program, 'up']
  const began = performance.now()
  const child = spawn(command[0] ?? process.execPath, command.slice(1), { env, stdio: 'ignore' })
  while (!(await answers(`${url}/health`))) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`)
    await delay(2)
  }
  const coldStartMs = performance.now() - began
  return {
    child,
    url,
    env,
    coldStartMs,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
    },
  }
}
