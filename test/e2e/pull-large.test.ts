import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { startHubEmulator } from '../../src/emulators/hub/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { driveClient } from '../../src/providers/google/drive.ts'
import { driveArtifacts } from '../../src/providers/google/drive-artifacts.ts'
import { driveFiles } from '../../src/providers/google/drive-files.ts'
import { fileIndexRows } from '../../src/store/file-index-rows.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { loraTensors, safetensors, tinyAdapter } from '../artifacts/tiny-lora.ts'
import { CLIENT, freshGoogle, SECRET } from '../emulators/google-fixture.ts'
import { runningService } from '../http/service.ts'
import { insertDatasetVersion, leaveAdapter } from '../store/left-adapter.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { commandFlags, program } from './service.ts'

const mostRssMb = 120
const cuts = 5

/** 100 MB: what r=16 on seven projections of a 7B model takes in half precision, and a bit. */
function largeAdapter() {
  const weights = safetensors(loraTensors(16, 4096, 96), 7)
  // No two of its pieces are alike: one that lands in the place of another is seen.
  for (let at = weights.length - 99_000_000; at + 4 <= weights.length; at += 4096) {
    weights.writeUInt32LE(at, at)
  }
  const config = { peft_type: 'LORA', r: 16, target_modules: ['q_proj', 'v_proj'] }
  return tinyAdapter('large', {
    files: {
      'adapter_model.safetensors': weights,
      'adapter_config.json': Buffer.from(JSON.stringify(config)),
    },
  })
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Runs a pull as it ships, and gives its status, its words and its memory at the highest, in MB. */
async function pull(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [...commandFlags, program, 'pull', ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (part) => {
    said += part
  })
  let peakRssMb = 0
  const ended = once(child, 'close')
  while (child.exitCode === null && child.signalCode === null) {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      const kibibytes = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0)
      peakRssMb = Math.max(peakRssMb, (kibibytes * 1024) / 1e6)
    } catch {
      // It has ended, or this system has no /proc.
    }
    await delay(20)
  }
  const [code] = await ended
  return { code, said, peakRssMb }
}

/** What stands between a box and the service, and counts what the service sends. */
async function counting(url: string) {
  let sent = 0
  const { hostname, port } = new URL(url)
  const server = createServer((box) => {
    const service = connect(Number(port), hostname)
    service.on('data', (part) => {
      sent += part.length
    })
    box.pipe(service).pipe(box)
    for (const socket of [box, service]) socket.on('error', () => socket.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: here, sent: () => sent, close: () => server.close() }
}

const adapter = largeAdapter()
const weights = adapter.files.get('adapter_model.safetensors') ?? Buffer.alloc(0)

it('100 MB come from Drive past the service, through five cuts, whole and in little memory', async () => {
  await using google = await freshGoogle({ approveAfterSeconds: 0 })
  await using service = await runningService({
    RODIZIO_STORE: 'drive',
    RODIZIO_DRIVE_URL: google.url,
    RODIZIO_GOOGLE_TOKEN_URL: `${google.url}/token`,
    GOOGLE_CLIENT_ID: CLIENT,
    GOOGLE_CLIENT_SECRET: SECRET,
  })
  using box = temporaryFolder()
  const began = await service.call('/v1/logins/google', { json: {} })
  expect(began.ok, await began.clone().text()).toBe(true)
  for (;;) {
    const { state } = await service.get('/v1/logins/google')
    if (state === 'good') break
    await delay(200)
  }
  const db = openSqlite(join(service.folder, 'rodizio.db'))
  const token = google.admin.grant({ clientId: CLIENT }).accessToken
  const tokens = {
    get: async () => ({ token, expiresAt: new Date(Date.now() + 3_000_000) }),
    forget: () => undefined,
  }
  const common = { rootUrl: google.url, tokens, clock: systemClock }
  const client = driveClient({ ...common, timeoutMs: 20_000 })
  const files = driveFiles({ ...common, client, clientId: CLIENT, folder: 'Rodizio' })
  const { store } = driveArtifacts(
    async () => files,
    fileIndexRows(db, () => new Date()),
  )
  for (const [name, bytes] of [
    ...adapter.files,
    ['manifest.json', Buffer.from(adapter.manifest)] as const,
  ]) {
    const body = async function* () {
      yield bytes
    }
    await store.receive(`runs/run_large/artifacts/candidate-g1/${name}`, body(), {
      bytes: bytes.length,
      sha256: sha256(bytes),
    })
  }
  await insertDatasetVersion(db, 'ds_one', 'split', new Date())
  await leaveAdapter(db, 'large', new Date(), {
    loss: 2,
    manifestSha256: adapter.manifestSha256,
  })
  await db.close()

  for (const at of [3_000_000, 100_000, 1, 2_222_222, 4_000_000]) {
    google.admin.addFaults({ rpc: 'files.download', kind: 'cut', afterBytes: at })
  }
  const between = await counting(service.url)
  const to = join(box.path, 'adapter')
  const env = { RODIZIO_URL: between.url, RODIZIO_TOKEN: service.adminToken }
  const { code, said, peakRssMb } = await pull(['--to', to], { ...env, HOME: box.path })
  between.close()
  expect([code, said]).toEqual([0, ''])
  const came = readFileSync(join(to, 'current/adapter_model.safetensors'))
  expect(sha256(came)).toBe(sha256(weights))
  expect(google.admin.state().faults).toEqual([])
  expect(between.sent()).toBeGreaterThan(500)
  expect(between.sent()).toBeLessThan(20_000)
  expect(peakRssMb).toBeLessThan(mostRssMb)
}, 120_000)

it('100 MB come from the Hub without a service, through five cuts, whole and in little memory', async () => {
  using place = temporaryFolder()
  const folder = join(place.path, 'models')
  mkdirSync(folder)
  for (const [name, bytes] of [...adapter.files, ['manifest.json', adapter.manifest] as const]) {
    writeFileSync(join(folder, name), bytes)
  }
  const hub = await startHubEmulator({
    stateDir: join(place.path, 'hub'),
    clock: systemClock,
    repositories: [{ id: 'ana/house', folder }],
  })
  try {
    hub.admin.addFaults({ rpc: 'signed', kind: 'cut', afterBytes: 1_500_000, times: cuts })
    const to = join(place.path, 'adapter')
    const env = { RODIZIO_HUB_URL: hub.url, HOME: place.path }
    const { code, said, peakRssMb } = await pull(['--to', to, '--from', 'hub:ana/house'], env)
    expect([code, said]).toEqual([0, ''])
    const came = readFileSync(join(to, 'current/adapter_model.safetensors'))
    expect(sha256(came)).toBe(sha256(weights))
    expect(hub.admin.state().faults).toEqual([])
    expect(peakRssMb).toBeLessThan(mostRssMb)
  } finally {
    await hub.close()
  }
}, 120_000)
