import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { Travel } from '../answer.ts'
import { deliver } from '../transfer.ts'
import type { Content, StateFile } from './state.ts'
import { GoogleError } from './wire.ts'

/** The size and the checksums of what a blob holds; read as a stream. */
export async function measure(file: StateFile, blob: string): Promise<Content> {
  const md5 = createHash('md5')
  const sha1 = createHash('sha1')
  const sha256 = createHash('sha256')
  let bytes = 0
  const path = file.blobPath(blob)
  if (file.blobBytes(blob) > 0) {
    for await (const chunk of createReadStream(path)) {
      const part: Buffer = Buffer.from(chunk)
      bytes += part.length
      for (const hash of [md5, sha1, sha256]) hash.update(part)
    }
  }
  const [md5Hex, sha1Hex, sha256Hex] = [md5, sha1, sha256].map((hash) => hash.digest('hex'))
  return { blob, bytes, md5: md5Hex ?? '', sha1: sha1Hex ?? '', sha256: sha256Hex ?? '' }
}

/** Turns one byte of a blob into another and leaves the checksums as they were: damage that only a reader can find. */
export async function flipByte(file: StateFile, content: Content, at: number): Promise<void> {
  const target = await open(file.blobPath(content.blob), 'r+')
  try {
    const byte = Buffer.alloc(1)
    await target.read(byte, 0, 1, at)
    byte.writeUInt8(byte.readUInt8(0) ^ 0xff)
    await target.write(byte, 0, 1, at)
  } finally {
    await target.close()
  }
}

/** Sends the bytes of a file, or the part that `Range` names. Throws 416 for a part that is not there. */
export async function sendContent(
  file: StateFile,
  { content, mimeType }: { readonly content: Content; readonly mimeType: string },
  range: string | undefined,
  response: ServerResponse,
  travel: Travel,
): Promise<void> {
  const part = partOf(range, content.bytes)
  const bytes = part.end - part.start
  response.writeHead(part.isWhole ? 200 : 206, {
    'content-type': mimeType,
    'content-length': bytes,
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=0, must-revalidate',
    ...(part.isWhole
      ? {}
      : { 'content-range': `bytes ${part.start}-${part.end - 1}/${content.bytes}` }),
  })
  const path = file.blobPath(content.blob)
  const chunks = bytes === 0 ? [] : createReadStream(path, { start: part.start, end: part.end - 1 })
  await deliver(response, chunks, travel(bytes))
}

/** RFC 9110, 14.1.2. What is not one range of bytes is ignored, as the standard wants it. */
function partOf(range: string | undefined, bytes: number) {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? []
  const whole = { start: 0, end: bytes, isWhole: true }
  if (from === undefined || to === undefined || (from === '' && to === '')) return whole
  const start = from === '' ? Math.max(0, bytes - Number(to)) : Number(from)
  const end = from === '' || to === '' ? bytes : Math.min(bytes, Number(to) + 1)
  if (start >= bytes || end <= start)
    throw new GoogleError(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable', {
      location: 'Range',
      headers: { 'content-range': `bytes */${bytes}` },
    })
  return { start, end, isWhole: false }
}
