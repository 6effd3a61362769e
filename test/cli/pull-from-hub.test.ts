import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type HubEmulator, startHubEmulator } from '../../src/emulators/hub/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { loraTensors, safetensors, tinyAdapter } from '../artifacts/tiny-lora.ts'
import type { RunningService } from '../http/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { commandLine } from './command-line.ts'

const weights = safetensors(loraTensors(4, 4096), 3) // 512 kB, stored apart
const adapter = tinyAdapter('published', { files: { 'adapter_model.safetensors': weights } })
const id = 'ana/house'
const token = 'hf_ana'

let place: ReturnType<typeof temporaryFolder>
let hub: HubEmulator
let box: string
let count = 0

beforeAll(async () => {
  place = temporaryFolder()
  const folder = join(place.path, 'models')
  for (const [name, bytes] of [...adapter.files, ['manifest.json', adapter.manifest] as const]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), bytes)
  }
  hub = await startHubEmulator({
    stateDir: join(place.path, 'state'),
    clock: systemClock,
    repositories: [{ id, folder, isGated: true }],
    users: { [token]: { name: 'ana', accepted: [id] }, hf_bia: { name: 'bia', accepted: [] } },
    largeBytes: 100_000,
  })
})
afterAll(async () => {
  await hub.close()
  place[Symbol.dispose]()
})
beforeEach(() => {
  count += 1
  box = join(place.path, `box-${count}`)
})

// No service is asked, and none is there.
const nowhere = { url: 'http://127.0.0.1:1', adminToken: 'rz_none', folder: '/nowhere' }
const { run } = commandLine(() => nowhere as RunningService)
const pull = (secret: string | null, ...more: string[]) => {
  vi.stubEnv('RODIZIO_HUB_URL', hub.url)
  if (secret !== null) vi.stubEnv('HF_TOKEN', secret)
  return run('pull', '--to', box, '--from', `hub:${id}`, ...more)
}

describe('a pull from the Hub', () => {
  it('needs no service, and brings the repository’s commit whole', async () => {
    const { out, err, status } = await pull(token)
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(/^[0-9a-f]{12} of ana\/house is live: .* \(\d+ kB fetched\)\n$/)
    expect(readlinkSync(join(box, 'current'))).toMatch(/^versions\/[0-9a-f]{12}$/)
    expect(readFileSync(join(box, 'current', 'adapter_model.safetensors')).equals(weights)).toBe(
      true,
    )
    expect((await pull(token)).out).toContain('is there already')
    const resolved = hub.admin.requests().filter(({ rpc }) => rpc === 'resolve')
    expect(resolved.every(({ target }) => !target.includes('/resolve/main/'))).toBe(true)
  })

  it('outlasts cuts, limits and trouble of the Hub', async () => {
    hub.admin.addFaults(
      { rpc: 'signed', kind: 'cut', afterBytes: 1000, times: 4 },
      { rpc: 'resolve-cache', kind: 'cut', afterBytes: 3, times: 1 },
      { rpc: 'signed', kind: 'status', status: 503 },
    )
    const { err, status } = await pull(token)
    expect([status, err]).toEqual([0, ''])
    expect(readFileSync(join(box, 'current', 'adapter_model.safetensors')).equals(weights)).toBe(
      true,
    )
  })

  it.each([
    [null, 'does not show manifest.json of ana/house (401)', 'set HF_TOKEN'],
    ['hf_bia', 'does not show manifest.json of ana/house (403)', 'Check that the token may read'],
  ])('with the token %s says what is wrong, and shows none', async (secret, words, next) => {
    const { err, status } = await pull(secret)
    expect(status).not.toBe(0)
    expect(err).toContain(words)
    expect(err).toContain(next)
    expect(err).not.toContain('hf_')
  })

  it.each([
    [['--from', 'hub:nobody/nothing'], 'knows no nobody/nothing at main'],
    [['--from', 'hub:one-word'], 'is no repository of the Hub'],
    [['--from', 'ftp:x'], 'is no place to pull from'],
    [['--version', 'v1'], 'ask the service'],
  ])('with %j is refused', async (more, words) => {
    const { err, status } = await pull(token, ...more)
    expect(status).not.toBe(0)
    expect(err).toContain(words)
  })
})
