import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionView } from '../../src/emulators/kaggle/admin.ts'
import type { KaggleEmulatorOptions } from '../../src/emulators/kaggle/options.ts'
import { type KaggleEmulator, startKaggleEmulator } from '../../src/emulators/kaggle/server.ts'
import { addSeconds, type Clock, systemClock } from '../../src/lib/clock.ts'

export const KEY = '0123456789abcdef0123456789abcdef'
export const runnerPath = join(import.meta.dirname, '../../templates/run_notebook.py')

export const basic = (user: string, key = KEY): string =>
  `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`

/** A folder that is gone at the end of its block. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'rodizio-emulator-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A clock that runs like the system's, from another day on. */
export function startingAt(date: Date): Clock {
  const start = systemClock.monotonicMs()
  const now = () => addSeconds(date, (systemClock.monotonicMs() - start) / 1000)
  return { ...systemClock, now }
}

export const emulatorIn = (
  stateDir: string,
  options: Partial<KaggleEmulatorOptions> = {},
): Promise<KaggleEmulator> =>
  startKaggleEmulator({ stateDir, runnerPath, clock: systemClock, queueSeconds: 0.05, ...options })

/** An emulator in a folder of its own; both are gone at the end of the block. */
export async function freshEmulator(
  options: Partial<KaggleEmulatorOptions> = {},
): Promise<KaggleEmulator> {
  const folder = temporaryFolder()
  const emulator = await emulatorIn(folder.path, options)
  return {
    ...emulator,
    [Symbol.asyncDispose]: async () => {
      await emulator.close()
      folder[Symbol.dispose]()
    },
  }
}

/** Waits for a condition, ten seconds at most. */
export async function until<Value>(
  what: string,
  ask: () => Value | undefined | null | false | Promise<Value | undefined | null | false>,
): Promise<Value> {
  const end = performance.now() + 10_000
  while (performance.now() < end) {
    const value = await ask()
    if (value) return value
    await delay(20)
  }
  throw new Error(`never came: ${what}`)
}

export const notebook = (...sources: string[]): string =>
  JSON.stringify({
    cells: sources.map((source, index) => ({
      cell_type: 'code',
      execution_count: null,
      id: `cell-${index}`,
      metadata: {},
      outputs: [],
      source,
    })),
    metadata: { kernelspec: { display_name: 'Python 3', language: 'python', name: 'python3' } },
    nbformat: 4,
    nbformat_minor: 5,
  })

export const FOREVER = 'import time\nprint("begin")\nwhile True:\n    time.sleep(0.05)'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

export async function ask(
  url: string,
  init: { method?: string; body?: unknown; authorization?: string } = {},
): Promise<Answer> {
  const { method = 'POST', body, authorization = basic('ana') } = init
  const response = await fetch(url, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
  }
}

/** A call of the kernels service by `ana`. */
export const kernelsCall = (
  emulator: Pick<KaggleEmulator, 'url'>,
  method: string,
  body: Record<string, unknown> = {},
): Promise<Answer> => ask(`${emulator.url}/api/v1/kernels.KernelsApiService/${method}`, { body })

export const push = (
  emulator: Pick<KaggleEmulator, 'url'>,
  slug: string,
  text: string,
  fields: Record<string, unknown> = {},
): Promise<Answer> =>
  kernelsCall(emulator, 'SaveKernel', {
    slug: `ana/${slug}`,
    text,
    language: 'python',
    kernelType: 'notebook',
    enableGpu: true,
    ...fields,
  })

export const newest = (emulator: KaggleEmulator, slug: string): SessionView | undefined =>
  emulator.admin.state().sessions.findLast((session) => session.slug === slug)

/** The newest session of a slug as soon as it is in one of these states. */
export const reaches = (
  emulator: KaggleEmulator,
  slug: string,
  ...states: string[]
): Promise<SessionView> =>
  until(`${slug} in ${states.join(' or ')}`, () => {
    const session = newest(emulator, slug)
    return session && states.includes(session.state) ? session : undefined
  })
