import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { folderArtifacts } from '../../src/store/folder-artifacts.ts'
import { artifactStoreContract, bodyOf } from '../contract/artifact-store.ts'
import { mayMount, smallDisk } from '../small-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'

artifactStoreContract('in a folder', async () => {
  const folder = temporaryFolder()
  const root = join(folder.path, 'store')
  mkdirSync(root)
  return {
    store: folderArtifacts(root),
    // A disk that fills up says so while it is written to; one that is really full is tried below.
    fill: () => bodyOf('01', Object.assign(new Error('no space'), { code: 'ENOSPC' })),
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  }
})

it('is readable by its user alone', async () => {
  using folder = temporaryFolder()
  const body = Buffer.from('secret weights')
  const expected = { bytes: body.length, sha256: sha256Hex(body) }
  await folderArtifacts(folder.path).receive('runs/a', chunks(body), expected)
  expect(statSync(join(folder.path, 'runs/a')).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder.path, 'runs')).mode & 0o777).toBe(0o700)
})

it('does not take a file that was damaged on disk for whole', async () => {
  using folder = temporaryFolder()
  const body = Buffer.from('0123456789')
  const expected = { bytes: body.length, sha256: sha256Hex(body) }
  const store = folderArtifacts(folder.path)
  await store.receive('a', chunks(body), expected)
  writeFileSync(join(folder.path, 'a'), '0123456788')
  expect(await store.verify('a', expected)).toBe(false)
})

async function* chunks(...parts: Uint8Array[]) {
  yield* parts
}

it.skipIf(!mayMount()).each([
  ['in one piece', [200_000]],
  ['in pieces, the last of which fits in part', [30_000, 30_000, 30_000]],
])('tells a full disk, and keeps nothing, of a body %s', async (_why, sizes) => {
  using disk = smallDisk()
  if (!disk) throw new Error('the disk could be mounted a moment ago')
  const parts = sizes.map((size) => Buffer.alloc(size, 'x'))
  const all = Buffer.concat(parts)
  const expected = { bytes: all.length, sha256: sha256Hex(all) }
  const received = folderArtifacts(disk.path).receive('a', chunks(...parts), expected)
  await expect(received).rejects.toMatchObject({ code: 'disk_full' })
  expect(readdirSync(disk.path)).toEqual([])
})
