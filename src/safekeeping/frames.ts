import { createCipheriv, createDecipheriv } from 'node:crypto'
import { AppError } from '../lib/errors.ts'

/** So much plain text is in a frame at the most, and so much of either is held in memory. */
const frameBytes = 64 * 1024
const tagBytes = 16

/**
 * Encrypts a stream in frames: 4 bytes with the length and, as the topmost bit, whether it is the last; the sealed bytes; 16
 * bytes of tag. Each is AES-256-GCM under its own number, which is bound to it together with the mark of the last one, so that
 * frames which are cut off, moved, left out or put on from elsewhere are noticed (the construction STREAM of Hoang, Reyhanitabar,
 * Rogaway and Vizár, https://eprint.iacr.org/2015/189, read 2026-11).
 * @param key for this stream alone: the numbers begin anew with each
 */
export async function* sealFrames(
  key: Uint8Array,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let number = 0
  for await (const { bytes, isLast } of pieces(body)) {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number))
    cipher.setAAD(boundTo(number, isLast))
    const sealed = Buffer.concat([cipher.update(bytes), cipher.final()])
    const head = Buffer.alloc(4)
    head.writeUInt32BE((sealed.length | (isLast ? 0x80000000 : 0)) >>> 0)
    yield Buffer.concat([head, sealed, cipher.getAuthTag()])
    number += 1
  }
}

/**
 * What `sealFrames` has made, in clear; every frame is checked before a byte of it is given out.
 * @throws AppError `invalid` (`backup_damaged`) where anything was changed, cut or put on
 */
export async function* openFrames(
  key: Uint8Array,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const reader = byteReader(body)
  for (let number = 0; ; number += 1) {
    const head = await reader.take(4)
    if (!head) throw damaged('it is cut off')
    const word = head.readUInt32BE()
    const isLast = word >>> 31 === 1
    const length = word & 0x7fffffff
    if (length > frameBytes) throw damaged(`part ${number + 1} has an impossible length`)
    const sealed = await reader.take(length + tagBytes)
    if (!sealed) throw damaged('it is cut off')
    yield opened(key, sealed, number, isLast)
    if (!isLast) continue
    if (await reader.take(1)) throw damaged('something was put on behind its end')
    return
  }
}

function opened(key: Uint8Array, sealed: Buffer, number: number, isLast: boolean): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number))
  decipher.setAAD(boundTo(number, isLast))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  try {
    const plain = decipher.update(sealed.subarray(0, sealed.length - tagBytes))
    return Buffer.concat([plain, decipher.final()])
  } catch (cause) {
    throw damaged(`part ${number + 1} is not what was written there`, cause)
  }
}

const nonceOf = (number: number): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(number), 4)
  return nonce
}

const boundTo = (number: number, isLast: boolean): Buffer =>
  Buffer.from(`rodizio backup 1 ${number} ${isLast ? 'last' : 'more'}`)

/** Bytes in pieces of one frame; the last may be short or empty, and there is always one. */
async function* pieces(body: AsyncIterable<Uint8Array>) {
  let held: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk])
    while (held.length > frameBytes) {
      yield { bytes: held.subarray(0, frameBytes), isLast: false }
      held = held.subarray(frameBytes)
    }
  }
  yield { bytes: held, isLast: true }
}

function byteReader(body: AsyncIterable<Uint8Array>) {
  const chunks = body[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  return {
    /** So many bytes; undefined where the stream ends before. */
    async take(count: number): Promise<Buffer | undefined> {
      while (held.length < count) {
        const next = await chunks.next()
        if (next.done) return undefined
        held = Buffer.concat([held, next.value])
      }
      const taken = held.subarray(0, count)
      held = held.subarray(count)
      return taken
    },
  }
}

const damaged = (how: string, cause?: unknown): AppError =>
  new AppError('invalid', `the backup is damaged: ${how}`, {
    code: 'backup_damaged',
    next: 'Use another one: rodizio backup list',
    ...(cause === undefined ? {} : { cause }),
  })
