import { expect, it } from 'vitest'
import { publishToDrive } from '../../src/app/publish-to-drive.ts'
import { driveClient } from '../../src/providers/google/drive.ts'
import { driveArtifacts } from '../../src/providers/google/drive-artifacts.ts'
import { driveFiles } from '../../src/providers/google/drive-files.ts'
import { driveServed } from '../../src/providers/pull/drive-source.ts'
import { fileIndexRows } from '../../src/store/file-index-rows.ts'
import { houseAdapter, publishWorld } from '../control/publish-world.ts'
import { CLIENT, freshGoogle } from '../emulators/google-fixture.ts'

const prefix = 'runs/run_house/artifacts/candidate-g1'

/** An adapter in a folder store, and a Drive; `onDrive` brings its files there as a session would. */
async function driveWorld() {
  const world = await publishWorld()
  const made = houseAdapter(1)
  await world.leave(made)
  const google = await freshGoogle()
  const { accessToken } = google.admin.grant({ clientId: CLIENT })
  const expiresAt = new Date('2100-01-01')
  const tokens = { get: async () => ({ token: accessToken, expiresAt }), forget: () => undefined }
  const address = { rootUrl: google.url, tokens, timeoutMs: 5000, clock: world.clock }
  const client = driveClient(address)
  const files = driveFiles({ ...address, client, clientId: CLIENT, folder: 'Rodízio' })
  const index = fileIndexRows(world.db, () => world.clock.now())
  const onDrive = driveArtifacts(async () => files, index)
  const adapter = await world.rows.find(1)
  if (!adapter) throw new Error('no adapter')
  const { manifest } = await world.ports.book.whole(adapter.manifestSha256)
  const card = () => '# card\n'
  return {
    ...world,
    google,
    made,
    files,
    index,
    onDrive,
    what: { adapter, prefix, manifest, manifestText: made.manifest, card },
    put: (artifacts: Parameters<typeof publishToDrive>[1]) =>
      publishToDrive(index, artifacts, { files: async () => files, folder: 'Rodízio' }),
    /** Names and hashes of all that stands in the folder of the version. */
    published: () => {
      const all = google.admin.state().files
      const folder = all.find(({ name }) => name === 'v1')
      return all
        .filter(({ parents }) => folder !== undefined && parents.includes(folder.id))
        .map(({ name, sha256 }) => [name, sha256] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
    },
    async [Symbol.asyncDispose]() {
      await google[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

const wanted = (world: Awaited<ReturnType<typeof driveWorld>>) =>
  [
    ['CARD.md', expect.any(String)],
    ['manifest.json', world.made.manifestSha256],
    ...world.what.manifest.files.map(({ name, sha256 }) => [name, sha256]),
  ].toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))

it('copies on Drive itself what stands there, whatever answers are lost, once', async () => {
  await using world = await driveWorld()
  const { store } = world.onDrive
  for (const { name, ...expected } of world.what.manifest.files)
    await store.receive(
      `${prefix}/${name}`,
      await world.artifacts.read(`${prefix}/${name}`),
      expected,
    )
  const put = world.put(store)
  world.google.admin.addFaults({ rpc: 'files.copy', kind: 'started_but_cut' })
  await expect(put(world.what, { kind: 'drive' })).rejects.toMatchObject({ kind: 'unavailable' })
  const sentBefore = world.google.admin.requests().filter(({ rpc }) => rpc === 'upload.chunk')
  expect(await put(world.what, { kind: 'drive' })).toBe('Drive: Rodízio/published/house/v1')
  expect(world.published()).toEqual(wanted(world))
  const sent = world.google.admin.requests().filter(({ rpc }) => rpc === 'upload.chunk')
  expect(sent).toHaveLength(sentBefore.length + 2) // the card and the manifest
  const { length } = world.google.admin.state().files
  await put(world.what, { kind: 'drive' })
  expect(world.google.admin.state().files).toHaveLength(length)
  // A copy that was thought lost, and comes into being all the same.
  const name = 'adapter_config.json'
  const [source, copy] = await Promise.all(
    [prefix, 'published/house/v1'].map((folder) => world.index.get(`${folder}/${name}`)),
  )
  if (!source || !copy) throw new Error('not in the index')
  await world.files.copy(source.fileId, { ...copy, id: copy.fileId })
  expect(world.google.admin.state().files).toHaveLength(length)
  // A copy is a file of its own: the run may go.
  await store.remove(prefix)
  expect(world.published()).toEqual(wanted(world))
})

it('sends what stands in a folder, through a cut, the manifest last', async () => {
  await using world = await driveWorld()
  const put = world.put(world.artifacts)
  world.google.admin.addFaults(
    { rpc: 'upload.chunk', kind: 'cut', afterBytes: 100_000 },
    { rpc: 'upload.chunk', kind: 'status', status: 503 },
  )
  await put(world.what, { kind: 'drive' })
  expect(world.published()).toEqual(wanted(world))
  expect(world.google.admin.state().files.at(-1)?.name).toBe('manifest.json')
})

it('makes nothing of bytes that are not those of the manifest', async () => {
  await using world = await driveWorld()
  const { store } = world.onDrive
  const other = Buffer.from('other bytes')
  const { sha256Hex } = await import('../../src/lib/random.ts')
  for (const { name, ...expected } of world.what.manifest.files) {
    const isOther = name === 'adapter_config.json'
    const body = isOther ? inOnePiece(other) : await world.artifacts.read(`${prefix}/${name}`)
    const own = { bytes: other.length, sha256: sha256Hex(other) }
    await store.receive(`${prefix}/${name}`, body, isOther ? own : expected)
  }
  const refused = world.put(store)(world.what, { kind: 'drive' })
  await expect(refused).rejects.toMatchObject({ code: 'hash_mismatch' })
  const names = world.published().map(([name]) => name)
  expect(names).not.toContain('adapter_config.json')
  expect(names).not.toContain('manifest.json')
})

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

it('is what a box finds that pulls from that folder', async () => {
  await using world = await driveWorld()
  await world.put(world.artifacts)(world.what, { kind: 'drive' })
  const line = world.google.admin.state().files.find(({ name }) => name === 'house')
  world.google.admin.share({ fileId: line?.id ?? '', with: 'anyone' })
  const box = driveServed({
    drive: world.google.url,
    tokenUrl: `${world.google.url}/token`,
    folder: line?.id ?? '',
    reader: { kind: 'key', key: `AIza${'k'.repeat(35)}` },
    clock: world.clock,
  })
  const found = await box.servedAdapter({ version: undefined, after: undefined, waitSeconds: 0 })
  expect(found?.version).toBe('v1')
  expect(found?.manifestSha256).toBe(world.made.manifestSha256)
  for (const { url, headers, bytes } of found?.files ?? []) {
    const answer = await fetch(url, { headers })
    expect((await answer.arrayBuffer()).byteLength).toBe(bytes)
  }
})
