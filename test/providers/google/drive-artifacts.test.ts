import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startGoogleEmulator } from '../../../src/emulators/google/server.ts'
import { sha256Hex } from '../../../src/lib/random.ts'
import { driveClient } from '../../../src/providers/google/drive.ts'
import { driveArtifacts } from '../../../src/providers/google/drive-artifacts.ts'
import { driveFiles } from '../../../src/providers/google/drive-files.ts'
import { fileIndexRows } from '../../../src/store/file-index-rows.ts'
import { artifactStoreContract } from '../../contract/artifact-store.ts'
import { settableClock } from '../../settable-clock.ts'
import { freshDatabase, start } from '../../store/fixture.ts'

/** The store on an emulated Drive, with one client signed in; another may take its place. */
async function openDrive() {
  const folder = mkdtempSync(join(tmpdir(), 'rodizio-drive-'))
  const clock = settableClock(start)
  const emulator = await startGoogleEmulator({ stateDir: folder, clock })
  const fresh = await freshDatabase()
  const filesOf = (clientId: string) => {
    const { accessToken } = emulator.admin.grant({ clientId })
    const expiresAt = new Date(clock.now().getTime() + 3_000_000)
    const tokens = { get: async () => ({ token: accessToken, expiresAt }), forget: () => undefined }
    const client = driveClient({ rootUrl: emulator.url, tokens, timeoutMs: 5000, clock })
    return driveFiles({ client, clientId, folder: 'Rodizio', rootUrl: emulator.url, tokens, clock })
  }
  let files = filesOf('mine')
  const index = fileIndexRows(fresh.db, () => clock.now())
  const { store, ways } = driveArtifacts(async () => files, index)
  return {
    store,
    ways,
    fill: () => emulator.admin.quota({ limitBytes: 4 }) as undefined,
    emulator,
    clock,
    signInAs: (clientId: string) => {
      files = filesOf(clientId)
    },
    visible: () => emulator.admin.state().files.filter(({ bytes }) => bytes !== null),
    async [Symbol.asyncDispose]() {
      await emulator.close()
      await fresh[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

artifactStoreContract('on Google Drive', openDrive)

const content = Buffer.alloc(1_300_000, 'rodizio ')
const whole = { bytes: content.length, sha256: sha256Hex(content) }
const path = 'store/runs/r/checkpoints/4-g1/weights.bin'
const key = 'runs/r/checkpoints/4-g1/weights.bin'

const once = (url: string, from: number, to: number) =>
  fetch(url, {
    method: 'PUT',
    body: content.subarray(from, to),
    headers: { 'content-range': `bytes ${from}-${to - 1}/${content.length}` },
  })

/** Sent again on a connection of its own when an earlier cut has taken the shared one along. */
const put = (url: string, from: number, to: number) =>
  once(url, from, to).catch(() => once(url, from, to))

describe('a session that sends to Drive by itself', () => {
  it('brings a file in by its address alone, and fetches it with a token of its own', async () => {
    await using drive = await openDrive()
    const [way] = await drive.ways.uploads('ses_1', [{ path, ...whole }])
    expect((await put(way?.url ?? '', 0, content.length)).ok).toBe(true)
    expect(await drive.store.verify(key, whole)).toBe(true)
    const [fetchWay] = await drive.ways.downloads('ses_2', [{ path }])
    const response = await fetch(fetchWay?.url ?? '', { headers: fetchWay?.headers ?? {} })
    expect(sha256Hex(Buffer.from(await response.arrayBuffer()))).toBe(whole.sha256)
    expect((await fetch(fetchWay?.url ?? '')).status).toBe(401)
  })

  it('cut twice, then with its address expired, leaves one visible file with the right hash', async () => {
    await using drive = await openDrive()
    const chunk = 256 * 1024
    const [first] = await drive.ways.uploads('ses_1', [{ path, ...whole }])
    expect((await put(first?.url ?? '', 0, chunk)).status).toBe(308)
    for (const fault of [1, 2]) {
      drive.emulator.admin.addFaults({ rpc: 'upload.chunk', kind: 'cut', afterBytes: fault })
      await once(first?.url ?? '', chunk, 2 * chunk).catch(() => undefined) // the cut itself
    }
    drive.emulator.admin.expire('uploads')
    expect((await put(first?.url ?? '', chunk, 2 * chunk)).status).toBe(404)
    const [again] = await drive.ways.uploads('ses_1', [{ path, ...whole }])
    expect((await put(again?.url ?? '', 0, content.length)).ok).toBe(true)
    expect(await drive.store.verify(key, whole)).toBe(true)
    expect(drive.visible().map(({ sha256 }) => sha256)).toEqual([whole.sha256])
  })

  it('asks for addresses as often as it likes, and it is one file', async () => {
    await using drive = await openDrive()
    for (let ask = 0; ask < 3; ask += 1) {
      const [way] = await drive.ways.uploads('ses_1', [{ path, ...whole }])
      await put(way?.url ?? '', 0, content.length)
    }
    expect(await drive.store.verify(key, whole)).toBe(true)
    expect(drive.visible().length).toBe(1)
  })
})

it('says "not visible to this client id", not "missing", of a file that another client made', async () => {
  await using drive = await openDrive()
  await drive.store.receive(key, one(content), whole)
  drive.signInAs('another')
  await expect(drive.store.verify(key, whole)).rejects.toMatchObject({
    code: 'drive_other_client',
    message: expect.stringContaining('not visible to this client id'),
  })
})

it('deletes for good: what is removed takes no room in the bin', async () => {
  await using drive = await openDrive()
  await drive.store.receive(key, one(content), whole)
  await drive.store.remove('runs/r')
  expect(drive.visible()).toEqual([])
})

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
