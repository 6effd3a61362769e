import { describe, expect, it } from 'vitest'
import type { ArtifactStore } from '../../src/artifacts/artifact-store.ts'
import { sha256Hex } from '../../src/lib/random.ts'

export interface OpenStore extends AsyncDisposable {
  readonly store: ArtifactStore
  /** Leaves the store no room; where that is shown by a body that cannot be written on, gives that body. */
  readonly fill: () => AsyncGenerator<Uint8Array> | undefined
}

const bytes = Buffer.from('0123456789')
const whole = { bytes: bytes.length, sha256: sha256Hex(bytes) }

export async function* bodyOf(
  ...parts: (string | Uint8Array | Error)[]
): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield Buffer.from(part)
  }
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** What every artifact store promises, whatever it is made of. */
export function artifactStoreContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`the artifact store ${name}`, () => {
    it('gives back what it took in, in whole or in part', async () => {
      await using opened = await open()
      const { store } = opened
      await store.receive('runs/r/a.bin', bodyOf('0123', '', '456789'), whole)
      expect(await textOf(await store.read('runs/r/a.bin'))).toBe('0123456789')
      expect(await textOf(await store.read('runs/r/a.bin', { from: 3, to: 5 }))).toBe('34')
      expect(await textOf(await store.read('runs/r/a.bin', { from: 9, to: 10 }))).toBe('9')
      expect(await textOf(await store.read('runs/r/a.bin', { from: 5, to: 5 }))).toBe('')
      expect(await store.verify('runs/r/a.bin', whole)).toBe(true)
    })

    it('takes an empty file', async () => {
      await using opened = await open()
      const nothing = { bytes: 0, sha256: sha256Hex('') }
      await opened.store.receive('empty', bodyOf(), nothing)
      expect(await opened.store.verify('empty', nothing)).toBe(true)
      expect(await textOf(await opened.store.read('empty', { from: 0, to: 0 }))).toBe('')
    })

    it.each([
      ['too short', () => bodyOf('012345678')],
      ['too long', () => bodyOf('0123456789', '0')],
      ['of the right length with other bytes', () => bodyOf('9876543210')],
      ['empty', () => bodyOf()],
    ])('keeps nothing of a body that is %s', async (_why, body) => {
      await using opened = await open()
      const received = opened.store.receive('runs/r/a.bin', body(), whole)
      await expect(received).rejects.toMatchObject({ kind: 'invalid', code: 'hash_mismatch' })
      expect(await opened.store.list('runs/r')).toEqual([])
      expect(await opened.store.verify('runs/r/a.bin', whole)).toBe(false)
    })

    it('keeps nothing of a body that breaks off, and passes on why', async () => {
      await using opened = await open()
      const received = opened.store.receive('runs/r/a.bin', bodyOf('01', new Error('cut')), whole)
      await expect(received).rejects.toThrow('cut')
      expect(await opened.store.list('runs/r')).toEqual([])
    })

    it('says that the disk is full, and keeps nothing', async () => {
      await using opened = await open()
      const received = opened.store.receive('runs/r/a.bin', opened.fill() ?? bodyOf(bytes), whole)
      await expect(received).rejects.toMatchObject({ kind: 'disk-full' })
      expect(await opened.store.list('runs/r')).toEqual([])
    })

    it('leaves the file that stands when another body for its key is refused', async () => {
      await using opened = await open()
      const { store } = opened
      await store.receive('r/a', bodyOf(bytes), whole)
      await expect(store.receive('r/a', bodyOf('wrong bytes'), whole)).rejects.toThrow()
      expect(await store.verify('r/a', whole)).toBe(true)
      expect(await store.list('r')).toEqual(['a'])
    })

    it('takes the same file twice, at the same time as well', async () => {
      await using opened = await open()
      const { store } = opened
      await Promise.all([1, 2, 3].map(() => store.receive('r/a', bodyOf(bytes), whole)))
      expect(await store.verify('r/a', whole)).toBe(true)
      expect(await store.list('r')).toEqual(['a'])
    })

    it('shows a file only when it is whole', async () => {
      await using opened = await open()
      const { store } = opened
      let seen: boolean | undefined
      async function* watched() {
        yield bytes.subarray(0, 5)
        seen = await store.read('a').then(
          () => true,
          () => false,
        )
        yield bytes.subarray(5)
      }
      await store.receive('a', watched(), whole)
      expect(seen).toBe(false)
    })

    it('says that a file is not there', async () => {
      await using opened = await open()
      await expect(opened.store.read('none')).rejects.toMatchObject({ kind: 'not-found' })
      expect(await opened.store.verify('none', whole)).toBe(false)
      expect(await opened.store.list('none')).toEqual([])
      await opened.store.remove('none')
    })

    it('removes everything below a prefix and nothing beside it', async () => {
      await using opened = await open()
      const { store } = opened
      for (const key of ['r/1-g1/a', 'r/1-g1/b', 'r/1-g10/a']) {
        await store.receive(key, bodyOf(bytes), whole)
      }
      await store.remove('r/1-g1')
      expect(await store.list('r')).toEqual(['1-g10'])
      expect(await store.verify('r/1-g10/a', whole)).toBe(true)
    })

    it.each(['../a', 'runs/../../a', '/../a', 'runs/..', '.'])(
      'never leaves its own place: %s',
      async (key) => {
        await using opened = await open()
        const { store } = opened
        const refused = { kind: 'invalid' }
        await expect(store.receive(key, bodyOf(bytes), whole)).rejects.toMatchObject(refused)
        await expect(store.read(key)).rejects.toMatchObject(refused)
        await expect(store.verify(key, whole)).rejects.toMatchObject(refused)
        await expect(async () => store.remove(key)).rejects.toMatchObject(refused)
      },
    )
  })
}
