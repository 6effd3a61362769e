import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileEntry } from '../../src/artifacts/checkpoint.ts'
import { missingRanges } from '../../src/artifacts/missing-ranges.ts'
import { type Offer, pullVersion, type Versions } from '../../src/control/pull-version.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { versionFolder } from '../../src/store/version-folder.ts'
import { loraTensors, safetensors, type TinyAdapter, tinyAdapter } from '../artifacts/tiny-lora.ts'
import { mayMount, smallDisk } from '../small-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'

let place: ReturnType<typeof temporaryFolder>
let folder: ReturnType<typeof versionFolder>
beforeEach(() => {
  place = temporaryFolder()
  folder = versionFolder(join(place.path, 'box'))
})
afterEach(() => place[Symbol.dispose]())

interface Source {
  readonly fetched: string[]
  readonly offer: Offer
}

/** Gives what it has in pieces of 200 bytes; `spoil` may change a piece or throw. */
function source(
  adapter: TinyAdapter,
  spoil: (name: string, at: number, piece: Buffer) => Buffer = (_n, _a, piece) => piece,
): Source {
  const fetched: string[] = []
  const fetch = async (
    { name, bytes }: FileEntry,
    into: Parameters<Offer['bring']>[1],
    _signal: AbortSignal,
    came: (bytes: number) => void,
  ) => {
    const content = adapter.files.get(name) ?? Buffer.alloc(0)
    fetched.push(name)
    for (const { from, to } of missingRanges(bytes, into.held)) {
      for (let at = from; at < to; at += 200) {
        const piece = spoil(name, at, content.subarray(at, Math.min(at + 200, to)))
        await into.write(piece, at)
        await into.hold({ from: at, to: Math.min(at + 200, to) })
        came(piece.length)
      }
    }
  }
  const { version, manifestSha256, manifest } = adapter
  return {
    fetched,
    offer: { version, manifestSha256, manifest: async () => manifest, bring: fetch },
  }
}

const pull = (offer: Offer, into: Versions = folder) =>
  pullVersion(into, offer, { clock: systemClock })
/** Takes all the room that there is. */
function fill(file: string): void {
  const block = Buffer.alloc(65_536)
  try {
    for (;;) appendFileSync(file, block)
  } catch {
    // ENOSPC: full, but for less than a block
  }
  try {
    for (;;) appendFileSync(file, block.subarray(0, 256))
  } catch {
    // full
  }
}

const filesOf = (version: string) =>
  new Map(
    readdirSync(folder.pathOf(version)).map((name) => [
      name,
      readFileSync(join(folder.pathOf(version), name)),
    ]),
  )
const isWhole = (adapter: TinyAdapter) => {
  const found = filesOf(adapter.version)
  return (
    found.size === adapter.files.size + 1 &&
    found.get('manifest.json')?.toString() === adapter.manifest &&
    [...adapter.files].every(([name, bytes]) => found.get(name)?.equals(bytes))
  )
}

describe('a version that is pulled', () => {
  it('stands there whole, its manifest included, and is led to in one step', async () => {
    const adapter = tinyAdapter('v1')
    const { weights, fetched } = await pull(source(adapter).offer)
    expect(weights).toEqual({ rank: 4, pairs: 4, parameters: 2048 })
    expect(fetched).toBe([...adapter.files.values()].reduce((sum, { length }) => sum + length, 0))
    expect(isWhole(adapter)).toBe(true)
    expect(await folder.current()).toBeNull()
    await folder.switchTo('v1')
    expect(await folder.current()).toBe('v1')
  })

  it('is not fetched again, and mended when a byte of it has turned', async () => {
    const adapter = tinyAdapter('v1')
    await pull(source(adapter).offer)
    const again = source(adapter)
    expect((await pull(again.offer)).fetched).toBe(0)
    expect(again.fetched).toEqual([])
    const path = join(folder.pathOf('v1'), 'README.md')
    writeFileSync(path, readFileSync(path).fill(0x20, 0, 1))
    await pull(again.offer)
    expect(isWhole(adapter)).toBe(true)
  })

  it('goes on where it was broken off', async () => {
    const adapter = tinyAdapter('v1')
    let left = 9
    const breaking = source(adapter, (_name, _at, piece) => {
      left -= 1
      if (left < 0) throw new Error('cut')
      return piece
    })
    await expect(pull(breaking.offer)).rejects.toThrow('cut')
    const seen: number[] = []
    const { fetched } = await pullVersion(folder, source(adapter).offer, {
      clock: systemClock,
      progress: ({ done }) => void seen.push(done),
    })
    const bytes = [...adapter.files.values()].reduce((sum, { length }) => sum + length, 0)
    expect(fetched).toBeLessThan(bytes - 1000)
    expect(seen[0]).toBeGreaterThan(0)
    expect(seen.at(-1)).toBe(bytes)
    expect(isWhole(adapter)).toBe(true)
  })

  it('begins a file anew once when what was left of it is damaged', async () => {
    const adapter = tinyAdapter('v1')
    let isFirst = true
    const broken = source(adapter, (name, at, piece) => {
      if (!isFirst || name !== 'adapter_model.safetensors') return piece
      if (at >= 400) throw new Error('cut')
      return Buffer.alloc(piece.length, 7)
    })
    await expect(pull(broken.offer)).rejects.toThrow('cut')
    isFirst = false
    await pull(broken.offer)
    expect(isWhole(adapter)).toBe(true)
  })

  it.each([
    [
      'another byte',
      'hash_mismatch',
      (adapter: TinyAdapter) =>
        source(adapter, (name, at, piece) =>
          name === 'README.md' && at === 0 ? Buffer.from(piece).fill(0x21, 0, 1) : piece,
        ).offer,
    ],
    [
      'another manifest',
      'manifest_refused',
      (adapter: TinyAdapter) => ({
        ...source(adapter).offer,
        manifest: async () => `${adapter.manifest} `,
      }),
    ],
    [
      'weights of another shape',
      'adapter_shapes',
      () =>
        source(
          tinyAdapter('v2', {
            files: {
              'adapter_config.json': Buffer.from(
                '{"peft_type":"LORA","r":8,"target_modules":["q_proj","v_proj"]}',
              ),
            },
          }),
        ).offer,
    ],
    [
      'no weights',
      'safetensors_damaged',
      () =>
        source(tinyAdapter('v2', { files: { 'adapter_model.safetensors': Buffer.alloc(100) } }))
          .offer,
    ],
    [
      'a pickle in place of them',
      'safetensors_damaged',
      () =>
        source(
          tinyAdapter('v2', {
            files: {
              'adapter_model.safetensors': Buffer.from(
                '\x80\x02}q\x00.'.padEnd(200, '\0'),
                'latin1',
              ),
            },
          }),
        ).offer,
    ],
    [
      'a rehearsal',
      'manifest_refused',
      () => {
        const made = tinyAdapter('v2')
        const manifest = made.manifest.replace('"trl"', '"dry"')
        return source({ ...made, manifest, manifestSha256: sha256Hex(manifest) }).offer
      },
    ],
  ])('is refused, the old one untouched: %s', async (_words, code, offered) => {
    const old = tinyAdapter('v1')
    await pull(source(old).offer)
    await folder.switchTo('v1')
    await expect(pull(offered(tinyAdapter('v2', { mark: 2 })))).rejects.toMatchObject({ code })
    expect(await folder.current()).toBe('v1')
    expect(await folder.list()).toEqual(['v1'])
    expect(isWhole(old)).toBe(true)
  })

  it('leaves the link on a whole version whenever it dies', async () => {
    const old = tinyAdapter('v1')
    const fresh = tinyAdapter('v2', {
      mark: 2,
      files: { 'adapter_model.safetensors': safetensors(loraTensors(4, 8), 2) },
    })
    await pull(source(old).offer)
    await folder.switchTo('v1')
    let steps = 0
    /** Every step on the folder, dying at one of them: before it is done, or right after. */
    const dying = (at: number, isAfter: boolean): typeof folder => {
      let count = 0
      const wrap = <Kind extends object>(inner: Kind): Kind =>
        new Proxy(inner, {
          get(target, name) {
            const found = Reflect.get(target, name)
            if (typeof found !== 'function' || name === 'read' || name === 'close') return found
            return async (...given: unknown[]) => {
              count += 1
              steps = Math.max(steps, count)
              if (count === at && !isAfter) throw new Error('dead')
              const result = await Reflect.apply(found, target, given)
              if (count === at && isAfter) {
                if (name === 'open') await (result as { close(): Promise<void> }).close()
                throw new Error('dead')
              }
              return name === 'open' ? wrap(result as object) : result
            }
          },
        })
      return wrap(folder)
    }
    const whole = async (box: typeof folder) => {
      await pull(source(fresh).offer, box)
      await box.switchTo('v2')
      await box.keep(3, ['v2'])
    }
    await whole(dying(0, false)) // counts them
    await folder.switchTo('v1')
    await folder.keep(1, ['v1'])
    for (let at = 1; at <= steps; at += 1) {
      for (const isAfter of [false, true]) {
        await whole(dying(at, isAfter)).catch((error: unknown) =>
          expect(String(error)).toContain('dead'),
        )
        const led = await folder.current()
        expect(isWhole(led === 'v2' ? fresh : old)).toBe(true)
        await whole(folder)
        expect(await folder.current()).toBe('v2')
        expect(isWhole(fresh)).toBe(true)
        await folder.switchTo('v1')
        await folder.keep(1, ['v1'])
      }
    }
    expect(steps).toBeGreaterThan(20)
  })

  it('is one of three that are kept, and never lets go of the one that is led to', async () => {
    for (const [index, version] of ['v1', 'v2', 'v3', 'v4', 'v5'].entries()) {
      await pullVersion(folder, source(tinyAdapter(version, { mark: index + 1 })).offer, {
        clock: { ...systemClock, now: () => new Date(1_700_000_000_000 + index * 1000) },
      })
    }
    await folder.switchTo('v1')
    expect(await folder.keep(3, ['v1'])).toEqual(['v3', 'v2'])
    expect(await folder.list()).toEqual(['v5', 'v4', 'v1'])
  })

  it.skipIf(!mayMount())(
    'leaves what serves as it is when the disk is full, and goes on once there is room',
    async () => {
      using disk = smallDisk('20m')
      const small = versionFolder(join(disk?.path ?? '', 'box'))
      const old = tinyAdapter('v1')
      await pull(source(old).offer, small)
      await small.switchTo('v1')
      const hog = join(disk?.path ?? '', 'hog')
      const fresh = tinyAdapter('v2', { mark: 2 })
      const filling = source(fresh, (name, at, piece) => {
        if (name === 'adapter_model.safetensors' && at >= 4096) fill(hog)
        return piece
      })
      await expect(pull(filling.offer, small)).rejects.toMatchObject({
        code: 'disk_full',
        next: expect.stringContaining('what was serving stays'),
      })
      expect(await small.current()).toBe('v1')
      expect(await small.list()).toEqual(['v1'])
      // Before anything is fetched, where it is known that there is no room.
      await expect(pull(source(fresh).offer, small)).rejects.toThrow(/lacks \d+ MB/)
      rmSync(hog)
      expect((await pull(source(fresh).offer, small)).version).toBe('v2')
    },
  )

  it('is refused a name that leads elsewhere', () => {
    expect(() => folder.pathOf('../etc')).toThrow('no name of a version')
  })
})
