import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { type RodizioClient, rodizioClient } from '../../src/api/client.ts'

export const projectRoot = fileURLToPath(new URL('../../', import.meta.url))
export const program = join(projectRoot, 'dist/rodizio.js')

/** The flags of a command, as the program's own first line has them. */
export const commandFlags = [
  '--optimize-for-size',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--liftoff-only',
]

/** The shipped flags of the service: what is tested is what runs on the VM. */
export const shippedFlags = [...commandFlags, '--heap-growing-percent=50', '--single-threaded-gc']

export type Env = Readonly<Record<string, string>>

/** A port that was free a moment ago, below the range from which the system gives ports to clients. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}

export interface Answer {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a program to its end. */
export function execute(command: string, args: readonly string[], env: Env): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.on('data', (part: Buffer) => {
      out += part.toString('utf8')
    })
    child.stderr.on('data', (part: Buffer) => {
      err += part.toString('utf8')
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

/** Polls until the probe gives something; names what was waited for when it never does. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  timeoutMs = 120_000,
): Promise<T> {
  const end = performance.now() + timeoutMs
  while (performance.now() < end) {
    const found = await probe()
    if (found) return found
    await delay(100)
  }
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
}

/** A data folder with a service that can be started, killed and started again on it. */
export async function makePlace(more: Env = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'rodizio-e2e-'))
  const port = more.RODIZIO_PORT ?? String(await freePort())
  const env: Env = {
    PATH: `${join(projectRoot, 'node_modules/.bin')}:${process.env.PATH ?? ''}`,
    HOME: dataDir,
    RODIZIO_DATA_DIR: join(dataDir, 'data'),
    RODIZIO_PORT: port,
    ...more,
  }
  const url = `http://127.0.0.1:${port}`
  const data = join(dataDir, 'data')
  let child: ChildProcess | undefined
  let output = ''

  const place = {
    data,
    env,
    url,
    /** All that the service has printed, over all of its starts. */
    output: () => output,
    pid: () => child?.pid ?? 0,
    token: () => readFileSync(join(data, 'token'), 'utf8').trim(),
    client: (): RodizioClient => rodizioClient({ url, token: place.token() }),
    run: (...args: string[]) => execute(process.execPath, [program, ...args], env),
    /** Runs a command that must succeed and gives its JSON. */
    async json<T>(...args: string[]): Promise<T> {
      const { code, out, err } = await place.run(...args, '--json')
      if (code !== 0) throw new Error(`rodizio ${args.join(' ')} ended with ${code}: ${err}`)
      return JSON.parse(out) as T
    },
    /** Starts the service and waits until it answers. */
    async start(args: readonly string[] = []): Promise<void> {
      const started = spawn(process.execPath, [...shippedFlags, program, 'up', ...args], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child = started
      const collect = (part: Buffer) => {
        output += part.toString('utf8')
      }
      started.stdout.on('data', collect)
      started.stderr.on('data', collect)
      await until(`the service at ${url}`, async () => {
        if (started.exitCode !== null) throw new Error(`the service ended: ${output}`)
        return fetch(`${url}/health`).then(
          (response) => response.ok,
          () => false,
        )
      })
    },
    /** kill -9, as a crash or the out-of-memory killer would. */
    async kill(): Promise<void> {
      const dying = child
      if (!dying || hasEnded(dying)) return
      const gone = new Promise((resolve) => dying.once('exit', resolve))
      dying.kill('SIGKILL')
      await gone
    },
    /** An orderly stop. */
    async stop(): Promise<number | null> {
      const stopping = child
      if (!stopping || hasEnded(stopping)) return stopping?.exitCode ?? null
      const gone = new Promise<number | null>((resolve) => stopping.once('exit', resolve))
      stopping.kill('SIGTERM')
      return gone
    },
    /** A call to one of the emulators that belong to this place. */
    async ask<T>(
      service: 'kaggle' | 'drive' | 'colab',
      method: string,
      name: string,
      body?: unknown,
    ): Promise<T> {
      const file = JSON.parse(readFileSync(join(data, 'emulators/emulators.json'), 'utf8')) as {
        urls: Record<string, string>
        adminToken: string
      }
      const response = await fetch(`${file.urls[service]}/_emulator/${name}`, {
        method,
        headers: { 'x-emulator-token': file.adminToken, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (!response.ok) throw new Error(`${name}: ${response.status} ${await response.text()}`)
      return (await response.json()) as T
    },
    emulator: <T>(method: string, name: string, body?: unknown): Promise<T> =>
      place.ask<T>('kaggle', method, name, body),
    emulatorsPid(): number | undefined {
      try {
        const file = join(data, 'emulators/emulators.json')
        return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid
      } catch {
        return undefined // not started, or ended by itself
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await place.stop()
      const pid = place.emulatorsPid()
      if (pid !== undefined) {
        try {
          process.kill(pid, 'SIGTERM')
        } catch {
          // gone already
        }
        await until('the emulators to end', async () => place.emulatorsPid() === undefined, 15_000)
      }
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  return place
}

/** Whether a process of that id is there. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // ESRCH
  }
}

const hasEnded = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null

export type Place = Awaited<ReturnType<typeof makePlace>>

/** The run once it is completed; one that fails is not waited for. */
export const completed = (place: Place, name: string, timeoutMs = 200_000) =>
  until(
    `${name} to complete`,
    async () => {
      const run = await place.client().run(name)
      expect(run.failure).toBeNull()
      return run.state === 'completed' ? run : undefined
    },
    timeoutMs,
  )
