import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { HubEmulator } from '../../src/emulators/hub/server.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { TinyAdapter } from '../artifacts/tiny-lora.ts'
import { houseAdapter, users, writer } from '../control/publish-world.ts'
import { freshHub } from '../emulators/hub-fixture.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { insertDatasetVersion, leaveAdapter } from '../store/left-adapter.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { commandLine } from './command-line.ts'

let hub: HubEmulator
let service: RunningService
let place: ReturnType<typeof temporaryFolder>
const made: TinyAdapter[] = []

beforeAll(async () => {
  place = temporaryFolder()
  hub = await freshHub({ users, largeBytes: 10_000_000, partBytes: 500_000, repositories: [] }, {})
  service = await runningService({ RODIZIO_HUB_URL: hub.url })
  const db = openSqlite(join(service.folder, 'rodizio.db'))
  const at = new Date()
  await insertDatasetVersion(db, 'ds_one', 'split', at)
  for (const [index, name] of ['house', 'house-2'].entries()) {
    const adapter = houseAdapter(index + 1)
    const folder = join(service.folder, 'store', `runs/run_${name}/artifacts/candidate-g1`)
    mkdirSync(folder, { recursive: true })
    for (const [file, bytes] of adapter.files) writeFileSync(join(folder, file), bytes)
    writeFileSync(join(folder, 'manifest.json'), adapter.manifest)
    const from = index === 0 ? {} : { from: made[0]?.manifestSha256 ?? '', fromLoss: 2 }
    const { manifestSha256 } = adapter
    await leaveAdapter(db, name, at, { loss: 2 - index / 10, manifestSha256, ...from })
    made.push(adapter)
  }
  await db.close()
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await hub[Symbol.asyncDispose]()
  place[Symbol.dispose]()
})

const { run, json } = commandLine(() => service)

describe('rodizio adapters publish', () => {
  it('says what is missing before anything is there', async () => {
    expect((await run('adapters', 'publish', 'v1')).err).toContain('is published nowhere')
    expect((await run('adapters', 'publish', 'v1', '--to', 'ftp:x')).err).toContain(
      'is no place to publish to',
    )
    const refused = await run('adapters', 'publish', 'v1', '--to', 'hub:ana/house')
    expect(refused.status).not.toBe(0)
    expect(refused.err).toContain('no token is stored')
    expect(refused.err).toContain('rodizio login hub')
    expect((await run('adapters', 'show', 'v1')).out).toContain(
      'cannot be published to hub:ana/house: nothing can be published to the hub: no token is stored',
    )
    expect((await run('adapters', 'publish', 'v1', '--to', 'drive')).err).toContain(
      'no Google client is configured',
    )
  })

  it('carries the large files from this machine, outlasting trouble, and what it has published is pulled', async () => {
    await service.call('/v1/logins/hub', {
      method: 'PUT',
      body: JSON.stringify({ token: writer }),
      headers: { 'content-type': 'application/json' },
    })
    hub.admin.addFaults(
      { rpc: 'lfs-put', kind: 'cut', afterBytes: 100_000 },
      { rpc: 'lfs-put', kind: 'status', status: 503 },
      { rpc: 'lfs-put', kind: 'status', status: 403, message: 'Request has expired' },
    )
    const { out, err, status } = await run('adapters', 'publish', 'v1', '--to', 'hub:ana/house')
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(/^1\.3 MB go out from this machine to hub:ana\/house\n/)
    expect(out).toContain(`v1 is published: ${hub.url}/ana/house/tree/v1\n`)
    expect((await run('adapters', 'show', 'v1')).out).toContain(
      `published:     ${hub.url}/ana/house/tree/v1, `,
    )
    const again = await run('adapters', 'publish', 'v1', '--to', 'hub:ana/house')
    expect(again.out).toBe(`v1 is published: ${hub.url}/ana/house/tree/v1\n`)

    vi.stubEnv('RODIZIO_HUB_URL', hub.url)
    vi.stubEnv('HF_TOKEN', writer)
    const to = join(place.path, 'box')
    const pulled = await run('pull', '--to', to, '--from', 'hub:ana/house@v1')
    expect([pulled.status, pulled.err]).toEqual([0, ''])
    const names = [...(made[0]?.files.keys() ?? [])]
    expect(readdirSync(join(to, 'current')).toSorted()).toEqual(
      [...names, 'manifest.json'].toSorted(),
    )
    for (const [name, bytes] of made[0]?.files ?? [])
      expect(readFileSync(join(to, 'current', name)).equals(bytes)).toBe(true)
  })

  it('goes through the service where its folder is not on this machine', async () => {
    const folder = join(service.folder, 'store/runs/run_house-2/artifacts/candidate-g1')
    const step = (await (
      await service.call('/v1/adapters/v2/publications', {
        json: { to: 'hub:ana/house', carry: true },
      })
    ).json()) as { uploads: object[]; sources: { path: string; url: string; name: string }[] }
    expect(step.uploads).toHaveLength(2)
    expect(step.sources.map(({ path }) => path)).toContain(join(folder, 'tokenizer.json'))
    const { carry } = await import('../../src/app/publish.ts')
    const { systemClock } = await import('../../src/lib/clock.ts')
    let gone = 0
    await carry(
      step.uploads as Parameters<typeof carry>[0],
      step.sources.map((source) => ({ ...source, path: '/nowhere', headers: {} })),
      {
        service: { base: service.url, token: service.adminToken },
        clock: systemClock,
        progress: (bytes) => {
          gone = bytes
        },
      },
    )
    expect(gone).toBeGreaterThan(1_200_000)
    const { out } = await run('adapters', 'publish', 'v2', '--to', 'hub:ana/house')
    expect(out).toBe(`v2 is published: ${hub.url}/ana/house/tree/v2\n`)
  })

  it('has a line publish what it promotes, by itself where no bytes have to be carried', async () => {
    const path = join(place.path, 'published')
    const line = await run('adapters', 'line', 'house', '--publish', `folder:${path}`)
    expect(line.out).toContain(`it serves v2; what it promotes goes to folder:${path}`)
    const shown = async () => (await json('adapters', 'show', 'v2')).publications
    await vi.waitFor(
      async () =>
        expect(await shown()).toContainEqual(
          expect.objectContaining({ target: `folder:${path}`, state: 'done' }),
        ),
      { timeout: 15_000, interval: 200 },
    )
    expect(readdirSync(path)).toEqual(['v2'])
    await run('adapters', 'line', 'house', '--publish', 'hub:ana/house')
    expect((await run('adapters', 'promote', 'v1')).out).toBe(
      'house serves v1 now\nIt is published to hub:ana/house by: rodizio adapters publish v1\n',
    )
    const none = await json('adapters', 'line', 'house', '--no-publish')
    expect(none).toMatchObject({ publishTo: null, policy: 'auto' })
    rmSync(path, { recursive: true })
  })

  it('lets nobody but the admin write into folders of the machine', async () => {
    const answer = await service.call('/v1/tokens', { json: { name: 'op', scopes: ['operator'] } })
    const { token } = (await answer.json()) as { token: string }
    const headers = { authorization: `Bearer ${token}` }
    const json = { to: 'folder:/srv/x' }
    const refused = await service.call('/v1/adapters/v1/publications', { json, headers })
    expect([refused.status, await refused.text()]).toEqual([
      403,
      expect.stringContaining('folder_is_admins'),
    ])
    const body = JSON.stringify({ publishTo: 'folder:/srv/x' })
    const init = {
      method: 'PATCH',
      body,
      headers: { ...headers, 'content-type': 'application/json' },
    }
    expect((await service.call('/v1/adapter-lines/house', init)).status).toBe(403)
  })

  it('shows the card as it is published', async () => {
    const { out } = await run('adapters', 'card', 'v1')
    expect(out).toMatch(/^---\nlibrary_name: peft\n/)
    expect(out).toContain('# house v1\n')
    expect((await run('adapters', 'card', 'v9')).err).toContain('there is no adapter "v9"')
  })
})
