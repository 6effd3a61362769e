import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GoogleEmulator } from '../../src/emulators/google/server.ts'
import { loraTensors, safetensors, type TinyAdapter, tinyAdapter } from '../artifacts/tiny-lora.ts'
import { caller, freshGoogle } from '../emulators/google-fixture.ts'
import type { RunningService } from '../http/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { commandLine } from './command-line.ts'

const weights = safetensors(loraTensors(4, 4096), 3)
const adapter = tinyAdapter('published', { files: { 'adapter_model.safetensors': weights } })
const next = tinyAdapter('next', { mark: 9 })
const reader = 'box@ana.iam.gserviceaccount.com'
const key = `AIza${'x'.repeat(35)}`
const folderType = 'application/vnd.google-apps.folder'

let place: ReturnType<typeof temporaryFolder>
let google: GoogleEmulator
let call: ReturnType<typeof caller>
let line: string
let shared: string
let box: string
let count = 0

async function folder(name: string, parent?: string): Promise<string> {
  const parents = parent === undefined ? {} : { parents: [parent] }
  const json = { name, mimeType: folderType, ...parents }
  const { body } = await call('/drive/v3/files', { json })
  return (body as { id: string }).id
}

async function publish(parent: string, { files, manifest }: TinyAdapter): Promise<void> {
  for (const [name, bytes] of [...files, ['manifest.json', Buffer.from(manifest)] as const]) {
    const start = await call('/upload/drive/v3/files?uploadType=resumable', {
      json: { name, parents: [parent] },
      headers: { 'x-upload-content-length': String(bytes.length) },
    })
    const sent = await fetch(start.headers.get('location') ?? '', {
      method: 'PUT',
      body: new Uint8Array(bytes),
    })
    expect(sent.ok).toBe(true)
  }
}

beforeAll(async () => {
  place = temporaryFolder()
  google = await freshGoogle()
  call = caller(google)
  line = await folder('house')
  shared = await folder('v3', line)
  await publish(shared, adapter)
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(
    join(place.path, 'account.json'),
    JSON.stringify({
      type: 'service_account',
      client_email: reader,
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    }),
  )
})
afterAll(async () => {
  await google[Symbol.asyncDispose]()
  place[Symbol.dispose]()
})
beforeEach(() => {
  count += 1
  box = join(place.path, `box-${count}`)
})

// No service is asked, and none is there.
const nowhere = { url: 'http://127.0.0.1:1', adminToken: 'rz_none', folder: '/nowhere' }
const { run, json } = commandLine(() => nowhere as RunningService)
function by(credentials: { readonly file?: string; readonly key?: string }) {
  vi.stubEnv('RODIZIO_DRIVE_URL', google.url)
  vi.stubEnv('RODIZIO_GOOGLE_TOKEN_URL', `${google.url}/token`)
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', credentials.file)
  vi.stubEnv('GOOGLE_API_KEY', credentials.key)
  return (...more: string[]) => run('pull', '--to', box, '--from', `drive:${line}`, ...more)
}
const account = () => by({ file: join(place.path, 'account.json') })
const pulled = () => readFileSync(join(box, 'current', 'adapter_model.safetensors'))

describe('a pull from a folder of Drive', () => {
  it('needs no service: a service account reads what is shared with it, and nothing else', async () => {
    const refused = await account()()
    expect(refused.status).not.toBe(0)
    expect(refused.err).toContain(`shows no adapter`)
    google.admin.share({ fileId: line, with: reader })
    const { out, err, status } = await account()()
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(/^v3 of v3 is live: .*\/versions\/v3 \(\d+ kB fetched\)\n$/)
    expect(pulled().equals(weights)).toBe(true)
    expect((await account()()).out).toContain('is there already')
    const asked = google.admin.requests().map(({ target }) => target)
    expect(asked.join()).not.toMatch(/ya29|PRIVATE/)
  })

  it('takes the folder of one version as well as that of a line, and of a line the newest', async () => {
    await publish(await folder('v4', line), next)
    expect((await account()('--json')).out).toContain('"version":"v4"')
    by({ file: join(place.path, 'account.json') })
    const one = await json('pull', '--to', `${box}-one`, '--from', `drive:${shared}`)
    expect(one).toMatchObject({ version: 'v3', went: 'live' })
    expect(readlinkSync(join(`${box}-one`, 'current'))).toBe('versions/v3')
  })

  it('outlasts cuts and trouble, and an access token that ends on the way', async () => {
    google.admin.addFaults(
      { rpc: 'files.list', kind: 'status', status: 503 },
      { rpc: 'files.download', kind: 'cut', afterBytes: 50, times: 3 },
      { rpc: 'files.download', kind: 'status', status: 401 },
    )
    const { err, status } = await account()()
    expect([status, err]).toEqual([0, ''])
  })

  it('reads by a key what anybody may read who has the link, and the key is in no address', async () => {
    const refused = await by({ key })()
    expect(refused.err).toContain('share it with anyone who has the link')
    google.admin.share({ fileId: line, with: 'anyone' })
    const { err, status } = await by({ key })()
    expect([status, err]).toEqual([0, ''])
    expect(google.admin.requests().every(({ target }) => !target.includes('AIza'))).toBe(true)
  })

  it('reads by the sign-in of a person', async () => {
    const clientId = 'tools.apps.example.com'
    const scope = 'https://www.googleapis.com/auth/drive.readonly'
    const { refreshToken } = google.admin.grant({ clientId, scope })
    const file = join(place.path, 'person.json')
    const person = { type: 'authorized_user', client_id: clientId, client_secret: 'shh' }
    writeFileSync(file, JSON.stringify({ ...person, refresh_token: refreshToken }))
    expect((await by({ file })()).err).toBe('')
    google.admin.revoke({ clientId })
    const over = await by({ file })()
    expect(over.err).toContain('gives no access (400)')
    expect(over.err).not.toContain(refreshToken)
  })

  it.each([
    ['nothing', {}, 'wants a key'],
    ['a file that is not there', { file: '/nowhere/key.json' }, 'cannot be read'],
    ['a file of something else', { file: import.meta.filename }, 'is no key of a service account'],
  ])('is refused with %s', async (_what, credentials, words) => {
    const { err, status } = await by(credentials)()
    expect(status).not.toBe(0)
    expect(err).toContain(words)
  })

  it('is refused for what is no folder', async () => {
    by({ key })
    const { err } = await run('pull', '--to', box, '--from', 'drive:../x')
    expect(err).toContain('is no folder of Drive')
  })
})
