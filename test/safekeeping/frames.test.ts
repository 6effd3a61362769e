import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keysOf, newKeys } from '../../src/safekeeping/backup-key.ts'
import { openFrames, sealFrames } from '../../src/safekeeping/frames.ts'

const key = new Uint8Array(32).fill(7)
const frame = 64 * 1024

async function* inChunks(bytes: Uint8Array, size: number) {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

const sealed = (bytes: Uint8Array, size = 50_000) => all(sealFrames(key, inChunks(bytes, size)))
const opened = (bytes: Uint8Array, size = 33_333, by = key) =>
  all(openFrames(by, inChunks(bytes, size)))

/** The frames of a sealed stream, each with its head and tag. */
function framesOf(stream: Buffer): Buffer[] {
  const frames: Buffer[] = []
  for (let from = 0; from < stream.length; ) {
    const length = 4 + (stream.readUInt32BE(from) & 0x7fffffff) + 16
    frames.push(stream.subarray(from, from + length))
    from += length
  }
  return frames
}

describe('a sealed stream', () => {
  it.each([0, 1, frame - 1, frame, frame + 1, 3 * frame, 3 * frame + 5])(
    'gives %i bytes back as they were',
    async (size) => {
      const bytes = randomBytes(size)
      expect((await opened(await sealed(bytes))).equals(bytes)).toBe(true)
    },
  )

  it('shows nothing of what is in it', async () => {
    const text = Buffer.from('the secret words '.repeat(1000))
    expect((await sealed(text)).includes('secret')).toBe(false)
  })

  it('is refused with one bit changed, wherever', async () => {
    const stream = await sealed(randomBytes(frame + 100))
    await fc.assert(
      fc.asyncProperty(
        fc.nat(stream.length - 1),
        fc.constantFrom(1, 2, 64, 128),
        async (at, bit) => {
          const changed = Buffer.from(stream)
          changed[at] = (changed[at] ?? 0) ^ bit
          await expect(opened(changed)).rejects.toMatchObject({ code: 'backup_damaged' })
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is refused cut off at any place', async () => {
    const stream = await sealed(randomBytes(2 * frame + 100))
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = framesOf(stream)
    const ends = [0, 3, first.length, first.length + second.length, stream.length - 1]
    for (const end of ends) {
      await expect(opened(stream.subarray(0, end))).rejects.toMatchObject({
        code: 'backup_damaged',
      })
    }
  })

  it('is refused with its last frame gone and the one before marked as the last', async () => {
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = framesOf(
      await sealed(randomBytes(2 * frame + 100)),
    )
    const marked = Buffer.from(second)
    marked.writeUInt32BE((marked.readUInt32BE() | 0x80000000) >>> 0)
    await expect(opened(Buffer.concat([first, marked]))).rejects.toMatchObject({
      code: 'backup_damaged',
    })
  })

  it.each<[string, (frames: Buffer[], others: Buffer[]) => Buffer[]]>([
    ['two frames in each other’s place', ([a, b, c]) => [b, a, c] as Buffer[]],
    ['a frame left out', ([, b, c]) => [b, c] as Buffer[]],
    ['a frame twice', ([a, b, c]) => [a, a, b, c] as Buffer[]],
    ['a frame of another stream of the key', ([a, , c], [, o]) => [a, o, c] as Buffer[]],
    ['another stream behind it', (frames, others) => [...frames, ...others]],
  ])('is refused with %s', async (_what, changed) => {
    const frames = framesOf(await sealed(randomBytes(2 * frame + 100)))
    // The keys of two files differ: so here.
    const others = framesOf(
      await all(sealFrames(new Uint8Array(32).fill(8), inChunks(randomBytes(2 * frame + 9), 9000))),
    )
    await expect(opened(Buffer.concat(changed(frames, others)))).rejects.toMatchObject({
      code: 'backup_damaged',
    })
  })
})

describe('the key of a backup', () => {
  it('is made again from the passphrase, another for each file, and from no other passphrase', async () => {
    const made = await newKeys('correct horse battery')
    const again = await keysOf('correct horse battery', made.encryption)
    expect(again.forFile('database.gz')).toEqual(made.forFile('database.gz'))
    expect(again.forFile('database.gz')).not.toEqual(made.forFile('token.gz'))
    await expect(keysOf('correct horse batterY', made.encryption)).rejects.toMatchObject({
      code: 'backup_key_wrong',
    })
    expect((await newKeys('correct horse battery')).encryption.salt).not.toBe(made.encryption.salt)
  })
})
