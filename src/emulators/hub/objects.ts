import { createHash, randomBytes } from 'node:crypto'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256Hex } from '../../lib/random.ts'
import { HubError } from './wire.ts'

/** One part of a large file, by its place in it; its tag as the store that took it has it. */
export interface Part {
  readonly number: number
  readonly etag: string
}

/** The bytes of files, each under its SHA-256, and the parts of those that are on their way. They outlive a restart. */
export function createObjects(folder: string) {
  const objects = join(folder, 'objects')
  const parts = join(folder, 'parts')
  const pathOf = (sha256: string): string => join(objects, sha256)
  const partOf = (sha256: string, number: number): string =>
    join(parts, sha256, String(number).padStart(5, '0'))

  /** Writes a stream beside its place; its hashes and length. */
  async function write(
    chunks: AsyncIterable<Buffer>,
  ): Promise<{ path: string; sha256: string; md5: string; bytes: number }> {
    mkdirSync(parts, { recursive: true })
    const path = join(parts, `new-${randomBytes(8).toString('hex')}`)
    const [sha256, md5] = [createHash('sha256'), createHash('md5')]
    let bytes = 0
    const file = await open(path, 'wx')
    try {
      for await (const chunk of chunks) {
        sha256.update(chunk)
        md5.update(chunk)
        bytes += chunk.length
        await file.appendFile(chunk)
      }
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      await file.close()
    }
    return { path, sha256: sha256.digest('hex'), md5: md5.digest('hex'), bytes }
  }

  function keep(
    made: { path: string; sha256: string; bytes: number },
    sha256: string,
    bytes: number,
  ): void {
    if (made.sha256 !== sha256 || made.bytes !== bytes) {
      rmSync(made.path, { force: true })
      throw new HubError(400, 'BadDigest: the bytes that arrived are not those of this object')
    }
    mkdirSync(objects, { recursive: true })
    renameSync(made.path, pathOf(sha256))
  }

  async function* joined(sha256: string, numbers: readonly number[]): AsyncGenerator<Buffer> {
    for (const number of numbers) {
      for await (const chunk of createReadStream(partOf(sha256, number))) yield chunk as Buffer // a stream without encoding
    }
  }

  return {
    pathOf,
    /** Keeps the bytes of a small file; its hash. */
    put(content: Buffer): string {
      const sha256 = sha256Hex(content)
      mkdirSync(objects, { recursive: true })
      writeFileSync(`${pathOf(sha256)}.next`, content)
      renameSync(`${pathOf(sha256)}.next`, pathOf(sha256))
      return sha256
    },
    sizeOf: (sha256: string): number => statSync(pathOf(sha256)).size,
    /** Takes a large file whole. @throws HubError 400 for other bytes than its name says */
    async receive(chunks: AsyncIterable<Buffer>, sha256: string, bytes: number): Promise<void> {
      keep(await write(chunks), sha256, bytes)
    },
    /** Takes one part; its tag. Sent again it is replaced. */
    async receivePart(
      chunks: AsyncIterable<Buffer>,
      sha256: string,
      number: number,
      bytes: number,
    ): Promise<string> {
      const made = await write(chunks)
      if (made.bytes !== bytes) {
        rmSync(made.path, { force: true })
        throw new HubError(400, 'EntityTooSmall: this part has another size')
      }
      mkdirSync(join(parts, sha256), { recursive: true })
      renameSync(made.path, partOf(sha256, number))
      return `"${made.md5}"`
    },
    /** Makes one file of all its parts. @throws HubError 400 for a part that is missing or another one, and for other bytes */
    async complete(sha256: string, bytes: number, told: readonly Part[], count: number) {
      const numbers = told.map(({ number }) => number)
      const wanted = Array.from({ length: count }, (_, index) => index + 1)
      if (numbers.join() !== wanted.join()) throw new HubError(400, 'InvalidPartOrder')
      for (const { number, etag } of told) {
        const path = partOf(sha256, number)
        const is = existsSync(path)
          ? createHash('md5').update(readFileSync(path)).digest('hex')
          : ''
        if (etag.replaceAll('"', '') !== is) throw new HubError(400, `InvalidPart: ${number}`)
      }
      keep(await write(joined(sha256, numbers)), sha256, bytes)
      rmSync(join(parts, sha256), { recursive: true, force: true })
    },
  }
}

export type Objects = ReturnType<typeof createObjects>
