import { createReadStream, createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { newId } from '../../lib/random.ts'
import { receive } from '../transfer.ts'
import type { StateFile } from './state.ts'
import { invalid } from './wire.ts'

/** Metadata and the part headers must stand within so many bytes of the beginning. */
const HEAD_BYTES = 1024 * 1024

export interface SimpleUpload {
  readonly metadata: unknown
  readonly blob: string
  readonly mimeType: string | undefined
}

/** Writes a whole request body to a blob. */
export async function receiveMedia(
  file: StateFile,
  request: IncomingMessage,
  bytesPerSecond: number | undefined,
): Promise<string> {
  const blob = newId('media')
  try {
    await pipeline(receive(request, bytesPerSecond), createWriteStream(file.blobPath(blob)))
  } catch (error) {
    file.removeBlob(blob)
    throw error // the caller went away in the middle
  }
  return blob
}

/** `multipart/related` of two parts, metadata and bytes (RFC 2387), taken to disk first and cut apart there. Throws 400. */
export async function receiveMultipart(
  file: StateFile,
  request: IncomingMessage,
  bytesPerSecond: number | undefined,
): Promise<SimpleUpload> {
  const [, quoted, plain] =
    /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(request.headers['content-type'] ?? '') ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw malformed()
  const raw = await receiveMedia(file, request, bytesPerSecond)
  try {
    return await cutApart(file, raw, boundary)
  } finally {
    file.removeBlob(raw)
  }
}

async function cutApart(file: StateFile, raw: string, boundary: string): Promise<SimpleUpload> {
  const bytes = file.blobBytes(raw)
  const head = await readPart(file.blobPath(raw), 0, Math.min(bytes, HEAD_BYTES))
  const mark = `--${boundary}`
  const first = head.indexOf(mark)
  const second = head.indexOf(`\n${mark}`, first + mark.length)
  if (first < 0 || second < 0) throw malformed()
  const metadata = partAt(head, first + mark.length)
  const media = partAt(head, second + 1 + mark.length)
  const tail = await readPart(file.blobPath(raw), Math.max(media.bodyAt, bytes - 1024), bytes)
  const close = tail.lastIndexOf(`\n${mark}--`)
  if (close < 0) throw malformed()
  const closeAt = bytes - tail.length + close
  const hasReturn = close > 0 && tail[close - 1] === 0x0d
  const end = Math.max(media.bodyAt, hasReturn ? closeAt - 1 : closeAt)

  const blob = newId('media')
  const isBase64 = /base64/i.test(media.headers['content-transfer-encoding'] ?? '')
  const source =
    end > media.bodyAt
      ? createReadStream(file.blobPath(raw), { start: media.bodyAt, end: end - 1 })
      : []
  await pipeline(isBase64 ? decoded(source) : source, createWriteStream(file.blobPath(blob)))
  return {
    metadata: parse(head.subarray(metadata.bodyAt, second).toString('utf8')),
    blob,
    mimeType: media.headers['content-type'],
  }
}

/** The headers of a part and where its body begins. */
function partAt(head: Buffer, at: number) {
  const text = head.subarray(at).toString('latin1')
  const blank = /\r?\n\r?\n/.exec(text)
  if (!blank) throw malformed()
  const lines = text.slice(0, blank.index).split(/\r?\n/)
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { headers, bodyAt: at + blank.index + blank[0].length }
}

async function* decoded(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = ''
  for await (const chunk of source) {
    const text = rest + chunk.toString('latin1').replaceAll(/\s/g, '')
    const whole = text.length - (text.length % 4)
    rest = text.slice(whole)
    yield Buffer.from(text.slice(0, whole), 'base64')
  }
  yield Buffer.from(rest, 'base64')
}

async function readPart(path: string, from: number, to: number): Promise<Buffer> {
  const source = await open(path)
  try {
    const bytes = Buffer.alloc(to - from)
    await source.read(bytes, 0, bytes.length, from)
    return bytes
  } finally {
    await source.close()
  }
}

function parse(text: string): unknown {
  try {
    return text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    throw invalid('Parse Error')
  }
}

const malformed = () => invalid('Malformed multipart body.')
