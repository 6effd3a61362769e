import type { GoogleEmulatorOptions } from '../../src/emulators/google/options.ts'
import { type GoogleEmulator, startGoogleEmulator } from '../../src/emulators/google/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'

export const CLIENT = 'rodizio.apps.googleusercontent.com'
export const SECRET = 'GOCSPX-a-client-secret'
export const KIB = 1024
export const GRANULE = 256 * KIB

/** An emulator in a folder of its own; both are gone at the end of the block. */
export async function freshGoogle(
  options: Partial<GoogleEmulatorOptions> = {},
): Promise<GoogleEmulator> {
  const folder = temporaryFolder()
  const emulator = await startGoogleEmulator({
    stateDir: folder.path,
    clock: systemClock,
    ...options,
  })
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
  readonly headers: Headers
  readonly bytes: Buffer
  readonly body: unknown
}

export interface Request {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly bytes?: Uint8Array<ArrayBuffer>
}

/** One request, its answer read whole. */
export async function ask(url: string, request: Request = {}): Promise<Answer> {
  const { json, form, bytes, headers = {} } = request
  const body =
    json === undefined ? (form ? new URLSearchParams(form) : bytes) : JSON.stringify(json)
  const response = await fetch(url, {
    method: request.method ?? (body === undefined ? 'GET' : 'POST'),
    redirect: 'manual',
    // No connection is kept, so that none is left over from an emulator before.
    headers: {
      connection: 'close',
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const received = Buffer.from(await response.arrayBuffer())
  const isJson = response.headers.get('content-type')?.includes('json') === true
  return {
    status: response.status,
    headers: response.headers,
    bytes: received,
    body: isJson ? JSON.parse(received.toString()) : null,
  }
}

/** Calls of one application for one account, by a path below the emulator's address. */
export function caller(emulator: GoogleEmulator, clientId = CLIENT, scope?: string) {
  const order = scope === undefined ? { clientId } : { clientId, scope }
  const authorization = `Bearer ${emulator.admin.grant(order).accessToken}`
  return (path: string, request: Request = {}): Promise<Answer> =>
    ask(`${emulator.url}${path}`, {
      ...request,
      headers: { authorization, ...request.headers },
    })
}

export type Caller = ReturnType<typeof caller>

/** Stores a small file and returns its id. */
export async function store(
  call: Caller,
  metadata: Readonly<Record<string, unknown>>,
  content = 'content',
): Promise<string> {
  const text = `--b\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(metadata)}\r\n--b\r\ncontent-type: text/plain\r\n\r\n${content}\r\n--b--`
  const answer = await call('/upload/drive/v3/files?uploadType=multipart&fields=id', {
    bytes: new TextEncoder().encode(text),
    method: 'POST',
    headers: { 'content-type': 'multipart/related; boundary=b' },
  })
  return idOf(answer)
}

export async function makeFolder(call: Caller, name: string, parent = 'root'): Promise<string> {
  const mimeType = 'application/vnd.google-apps.folder'
  const answer = await call('/drive/v3/files', { json: { name, mimeType, parents: [parent] } })
  return idOf(answer)
}

export function idOf({ body }: Answer): string {
  if (typeof body === 'object' && body !== null && 'id' in body) return String(body.id)
  throw new Error(`no id in ${JSON.stringify(body)}`)
}

/** Opens a resumable upload and returns its address. */
export async function openUpload(
  call: Caller,
  metadata: Readonly<Record<string, unknown>>,
  bytes?: number,
): Promise<string> {
  const headers = bytes === undefined ? {} : { 'x-upload-content-length': String(bytes) }
  const path = '/upload/drive/v3/files?uploadType=resumable'
  const answer = await call(path, { json: metadata, headers })
  return answer.headers.get('location') ?? `no address: ${JSON.stringify(answer.body)}`
}

/** Bytes that differ from place to place, so that one out of place shows. */
export function pattern(bytes: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(bytes)
  for (let at = 0; at < bytes; at += 1) made[at] = (at * 31 + (at >> 8)) % 251
  return made
}

export const put = (
  url: string,
  content: Uint8Array<ArrayBuffer>,
  from: number,
  to: number,
  method = 'PUT',
): Promise<Answer> =>
  ask(url, {
    method,
    bytes: content.subarray(from, to),
    headers: { 'content-range': `bytes ${from}-${to - 1}/${content.length}` },
  })

export const statusOf = (url: string, total: number | '*' = '*'): Promise<Answer> =>
  ask(url, { method: 'PUT', headers: { 'content-range': `bytes */${total}` } })

/** The reason in an error envelope. */
export const reasonOf = ({ status, body }: Answer): string => {
  const { error } = body as { error: { code: number; errors: { reason: string }[] } }
  return `${status} ${error.code === status ? '' : 'other code '}${error.errors[0]?.reason}`
}
