import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { SignedUpload } from '../artifacts/publication.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { type ByteSource, sendSigned } from '../providers/publish/send-signed.ts'
import { get } from '../providers/pull/get.ts'

/** Where the bytes of a file are: on this machine, at the service, or at the store itself. */
export interface Source {
  readonly name: string
  readonly path: string | null
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface CarryOptions {
  /** The service, whose token goes along to its own addresses alone. */
  readonly service: { readonly base: string; readonly token: string }
  readonly clock: Clock
  /** So many of all bytes have gone. */
  readonly progress: (goneBytes: number, allBytes: number) => void
}

const silenceMs = 60_000

/**
 * Carries files from where they are to where they were signed for, one after the other, as a stream.
 * @throws AppError `unavailable` (`address_over`, `network`), `not-found` (`file_gone`)
 */
export async function carry(
  uploads: readonly SignedUpload[],
  sources: readonly Source[],
  { service, clock, progress }: CarryOptions,
): Promise<void> {
  const all = uploads.reduce((sum, { bytes }) => sum + bytes, 0)
  let gone = 0
  const sent = (bytes: number) => {
    gone += bytes
    progress(gone, all)
  }
  for (const upload of uploads) {
    const source = sources.find(({ name }) => name === upload.name)
    if (!source) throw fileGone(upload.name, 'the service does not say where it is')
    await sendSigned(upload, await openSource(source, upload.bytes, service), { clock, sent })
  }
}

async function openSource(
  { name, path, url, headers }: Source,
  bytes: number,
  service: CarryOptions['service'],
): Promise<ByteSource> {
  const found = path === null ? undefined : await stat(path).catch(() => undefined) // elsewhere, then
  if (path !== null && found?.isFile() && found.size === bytes) {
    return async (from, to) =>
      to > from ? createReadStream(path, { start: from, end: to - 1 }) : none()
  }
  const remote = url.startsWith('/')
    ? { url: service.base + url, headers: { authorization: `Bearer ${service.token}` } }
    : { url, headers }
  return async (from, to) => {
    if (to <= from) return none()
    const range = { ...remote.headers, range: `bytes=${from}-${to - 1}` }
    const answer = await get({ url: remote.url, headers: range }, { silenceMs })
    if (answer.statusCode === 206) return answer
    if (answer.statusCode === 200 && from === 0) return answer
    answer.resume()
    throw fileGone(name, `the store answered ${answer.statusCode}`)
  }
}

const fileGone = (name: string, why: string): AppError =>
  new AppError('not-found', `${name} cannot be read: ${why}`, {
    code: 'file_gone',
    next: 'Publish again; what has arrived stays',
  })

async function* none(): AsyncGenerator<Uint8Array> {
  // An empty file has no bytes.
}
