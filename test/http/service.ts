import { fileURLToPath } from 'node:url'
import { startService } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type Log, silentLog } from '../../src/lib/log.ts'
import { temporaryFolder } from '../temporary-folder.ts'

export const root = new URL('../../', import.meta.url)

/** The whole service on a free port, in a folder of its own, without emulators; gone at the end of the block. */
export async function runningService(env: Record<string, string> = {}, log: Log = silentLog) {
  const folder = temporaryFolder()
  const config = loadConfig(
    {
      RODIZIO_DATA_DIR: folder.path,
      RODIZIO_PORT: '0',
      RODIZIO_EMULATORS: 'off',
      RODIZIO_LOG: 'silent',
      RODIZIO_KAGGLE_URL: 'http://127.0.0.1:9', // nothing outside is ever called
      RODIZIO_TICK_SECONDS: '300',
      ...env,
    },
    fileURLToPath(root),
  )
  const service = await startService({
    config,
    root,
    program: [process.execPath],
    path: '',
    log,
    version: '0.0.0-test',
  })
  const { token } = service.token
  /** A call with the admin token; `json` becomes the body. */
  const call = (path: string, init: RequestInit & { json?: unknown } = {}) => {
    const { json, ...rest } = init
    const headers = new Headers(rest.headers)
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${token}`)
    if (json !== undefined) headers.set('content-type', 'application/json')
    const body = json === undefined ? {} : { body: JSON.stringify(json), method: 'POST' }
    return fetch(service.url + path, { ...body, ...rest, headers })
  }
  return {
    ...service,
    folder: folder.path,
    adminToken: token,
    call,
    get: async (path: string) => (await call(path)).json() as Promise<Record<string, unknown>>,
    /** Imports so many conversations under that name. */
    importRows: (name: string, rows: number) =>
      call(`/v1/datasets?name=${name}`, { method: 'POST', body: jsonl(rows) }),
    async [Symbol.asyncDispose]() {
      await service.stop(0)
      folder[Symbol.dispose]()
    },
  }
}

export type RunningService = Awaited<ReturnType<typeof runningService>>

export const jsonl = (rows: number): string =>
  Array.from({ length: rows }, (_, i) =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `pergunta ${i}` },
        { role: 'assistant', content: `resposta ${i}` },
      ],
    }),
  )
    .map((line) => `${line}\n`)
    .join('')
