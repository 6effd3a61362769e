import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startGoogleEmulator } from '../../src/emulators/google/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import {
  ask,
  CLIENT,
  caller,
  freshGoogle,
  idOf,
  makeFolder,
  openUpload,
  reasonOf,
  SECRET,
  store,
} from './google-fixture.ts'

const DRIVE = 'https://www.googleapis.com/auth/drive'
const namesIn = ({ body }: { body: unknown }): string[] =>
  (body as { files: { name: string }[] }).files.map(({ name }) => name)
const list = (q: string, more = '') =>
  `/drive/v3/files?q=${encodeURIComponent(q)}&orderBy=name${more}`

describe('files', () => {
  it('are found by what a query and an order ask for, page by page', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const folder = await makeFolder(call, 'runs')
    for (const step of [1, 2, 3, 4, 5])
      await store(call, {
        name: `step-${step}`,
        parents: step > 2 ? [folder] : [],
        appProperties: { run: 'r7', step: String(step) },
      })
    const inFolder = `'${folder}' in parents`
    expect(namesIn(await call(list(inFolder)))).toEqual(['step-3', 'step-4', 'step-5'])
    expect(namesIn(await call(list("'root' in parents")))).toEqual(['runs', 'step-1', 'step-2'])
    const byProperty = "appProperties has { key='step' and value='4' } and trashed=false"
    expect(namesIn(await call(list(byProperty)))).toEqual(['step-4'])
    const seen: string[] = []
    let token = ''
    do {
      const page = await call(list("name contains 'step'", `&pageSize=2&pageToken=${token}`))
      seen.push(...namesIn(page))
      token = (page.body as { nextPageToken?: string }).nextPageToken ?? ''
    } while (token !== '')
    expect(seen).toEqual(['step-1', 'step-2', 'step-3', 'step-4', 'step-5'])
    for (const bad of ['&pageToken=nonsense', '&pageSize=0', '&orderBy=colour', '&fields=colour'])
      expect(reasonOf(await call(`/drive/v3/files?x=1${bad}`))).toBe('400 invalid')
  })

  it('change their name, properties, folder and place in the bin; deleted they are gone with their bytes', async () => {
    using folder = temporaryFolder()
    await using google = await startGoogleEmulator({ stateDir: folder.path, clock: systemClock })
    const call = caller(google)
    const parent = await makeFolder(call, 'runs')
    const id = await store(call, { name: 'a', appProperties: { keep: 'x', drop: 'y' } })
    const changed = await call(`/drive/v3/files/${id}?addParents=${parent}&fields=*`, {
      method: 'PATCH',
      json: { name: 'b', appProperties: { drop: null, added: 'z' } },
    })
    expect(changed.body).toMatchObject({
      name: 'b',
      appProperties: { keep: 'x', added: 'z' },
      parents: [parent],
    })
    await call(`/drive/v3/files/${parent}`, { method: 'PATCH', json: { trashed: true } })
    expect(namesIn(await call(list('trashed=true')))).toEqual(['b', 'runs'])
    expect(namesIn(await call(list('trashed=false')))).toEqual([])
    expect((await call(`/drive/v3/files/${parent}`, { method: 'DELETE' })).status).toBe(204)
    expect(reasonOf(await call(`/drive/v3/files/${id}`))).toBe('404 notFound')
    expect(readdirSync(join(folder.path, 'google/blobs'))).toEqual([])
    expect(google.admin.state().files).toEqual([])
  })

  it.each([
    [undefined, 200, '0123456789', null],
    ['bytes=3-5', 206, '345', 'bytes 3-5/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['bytes=10-', 416, null, 'bytes */10'],
    ['lines=1-2', 200, '0123456789', null],
  ])('are read by range: %s', async (range, status, text, contentRange) => {
    await using google = await freshGoogle()
    const call = caller(google)
    const id = await store(call, { name: 'a' }, '0123456789')
    const headers = range === undefined ? {} : { range }
    const answer = await call(`/drive/v3/files/${id}?alt=media`, { headers })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-range')).toBe(contentRange)
    if (text !== null) expect(answer.bytes.toString()).toBe(text)
  })

  it('are seen by the application that made them alone, or by one with the whole Drive', async () => {
    await using google = await freshGoogle()
    const mine = caller(google)
    const other = caller(google, 'other-client')
    const whole = caller(google, 'third-client', DRIVE)
    const id = await store(mine, { name: 'checkpoint', appProperties: { run: 'r1' } })
    expect(reasonOf(await other(`/drive/v3/files/${id}`))).toBe('404 notFound')
    expect(reasonOf(await other(`/drive/v3/files/${id}?alt=media`))).toBe('404 notFound')
    expect(reasonOf(await other(`/drive/v3/files/${id}`, { method: 'DELETE' }))).toBe(
      '404 notFound',
    )
    expect(reasonOf(await other('/drive/v3/files', { json: { parents: [id] } }))).toBe(
      '404 notFound',
    )
    expect(namesIn(await other(list('')))).toEqual([])
    expect(namesIn(await whole(list('')))).toEqual(['checkpoint'])
    expect(namesIn(await whole(list("appProperties has { key='run' and value='r1' }")))).toEqual([])
    const theirs = google.admin.grant({ clientId: CLIENT, user: 'bia@example.com', scope: DRIVE })
    const headers = { authorization: `Bearer ${theirs.accessToken}` }
    expect(namesIn(await ask(`${google.url}${list('')}`, { headers }))).toEqual([])
  })

  it('may be left out of a listing for a while, but not when asked for by id', async () => {
    await using google = await freshGoogle({ listLagSeconds: 30 })
    const call = caller(google)
    const id = await store(call, { name: 'new' })
    expect(namesIn(await call(list('')))).toEqual([])
    expect((await call(`/drive/v3/files/${id}`)).status).toBe(200)
    google.admin.advanceClock(30)
    expect(namesIn(await call(list('')))).toEqual(['new'])
  })

  it('have properties of at most 124 bytes, and 30 of them', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const make = (appProperties: unknown) => call('/drive/v3/files', { json: { appProperties } })
    expect((await make({ k: 'v'.repeat(123) })).status).toBe(200)
    expect(reasonOf(await make({ k: 'v'.repeat(124) }))).toBe('400 invalid')
    const many = Object.fromEntries(Array.from({ length: 31 }, (_, n) => [`k${n}`, 'v']))
    expect(reasonOf(await make(many))).toBe('400 invalid')
  })
})

describe('room', () => {
  const quotaOf = async (call: ReturnType<typeof caller>) =>
    (await call('/drive/v3/about?fields=storageQuota')).body

  it('is 15 GB, counts the bin, and comes back when that is emptied', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const id = await store(call, { name: 'a' }, 'x'.repeat(700))
    const used = { limit: String(15 * 1024 ** 3), usage: '700', usageInDrive: '700' }
    expect(await quotaOf(call)).toEqual({ storageQuota: { ...used, usageInDriveTrash: '0' } })
    google.admin.quota({ limitBytes: 1000 })
    await call(`/drive/v3/files/${id}`, { method: 'PATCH', json: { trashed: true } })
    const full = { storageQuota: { ...used, limit: '1000', usageInDriveTrash: '700' } }
    expect(await quotaOf(call)).toEqual(full)
    const upload = '/upload/drive/v3/files?uploadType=resumable'
    const headers = { 'x-upload-content-length': '301' }
    expect(reasonOf(await call(upload, { json: {}, headers }))).toBe('403 storageQuotaExceeded')
    const large = await openUpload(call, {}) // of unknown length: refused at its end
    const sent = await ask(large, { method: 'PUT', bytes: new Uint8Array(301) })
    expect(reasonOf(sent)).toBe('403 storageQuotaExceeded')
    expect((await call('/drive/v3/files/trash', { method: 'DELETE' })).status).toBe(204)
    expect((await call(upload, { json: {}, headers })).status).toBe(200)
    google.admin.quota({ otherUsageBytes: 900 })
    expect(reasonOf(await call(upload, { json: {}, headers }))).toBe('403 storageQuotaExceeded')
    expect(reasonOf(await call('/drive/v3/about'))).toBe('400 required')
  })

  it('is none for a service account, which says so', async () => {
    await using google = await freshGoogle()
    const claims = { iss: 'robot@project.iam.gserviceaccount.com', scope: DRIVE }
    const assertion = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
    const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    const signedIn = await ask(google.tokenUrl, { form: { grant_type: grant, assertion } })
    const { access_token: token } = signedIn.body as { access_token: string }
    const headers = { authorization: `Bearer ${token}` }
    const made = await ask(`${google.url}/upload/drive/v3/files?uploadType=resumable`, {
      json: { name: 'a' },
      headers,
    })
    expect(reasonOf(made)).toBe('403 storageQuotaExceeded')
    expect(JSON.stringify(made.body)).toContain('Service Accounts do not have storage quota')
  })
})

describe('changes', () => {
  it('tell from a token on what was made, changed and deleted, once for each file', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const gone = await store(call, { name: 'gone' })
    const start = (await call('/drive/v3/changes/startPageToken')).body as {
      startPageToken: string
    }
    const id = await store(call, { name: 'a' })
    await store(caller(google, 'other-client'), { name: 'not ours' })
    await call(`/drive/v3/files/${id}`, { method: 'PATCH', json: { name: 'b' } })
    await call(`/drive/v3/files/${gone}`, { method: 'DELETE' })
    const { body } = await call(`/drive/v3/changes?pageToken=${start.startPageToken}`)
    const { changes, newStartPageToken } = body as { changes: unknown[]; newStartPageToken: string }
    expect(changes).toMatchObject([
      { fileId: id, removed: false, file: { name: 'b' } },
      { fileId: gone, removed: true },
    ])
    const after = await call(`/drive/v3/changes?pageToken=${newStartPageToken}`)
    expect(after.body).toMatchObject({ changes: [] })
  })
})

describe('trouble', () => {
  it.each([
    [{ kind: 'status', status: 403, reason: 'userRateLimitExceeded' }, '403 userRateLimitExceeded'],
    [{ kind: 'status', status: 503 }, '503 backendError'],
    [{ kind: 'rate_limit', retryAfterSeconds: 7 }, '429 rateLimitExceeded'],
    [{ kind: 'expired_token' }, '401 authError'],
  ] as const)('comes as ordered: %j', async (fault, reason) => {
    await using google = await freshGoogle()
    const call = caller(google)
    google.admin.addFaults({ rpc: 'files.list', ...fault })
    expect((await call('/drive/v3/about?fields=user')).status).toBe(200)
    const answer = await call('/drive/v3/files')
    expect(reasonOf(answer)).toBe(reason)
    expect(answer.headers.get('retry-after')).toBe(fault.kind === 'rate_limit' ? '7' : null)
    expect((await call('/drive/v3/files')).status).toBe(200)
  })

  it('is an envelope for no token, an old one, and for what is not modelled', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    expect(reasonOf(await ask(`${google.url}/drive/v3/files`))).toBe('401 authError')
    expect((await call('/drive/v3/files/x/permissions')).status).toBe(501)
    const folder = await makeFolder(call, 'f')
    expect(reasonOf(await call(`/drive/v3/files/${folder}?alt=media`))).toBe(
      '403 fileNotDownloadable',
    )
    google.admin.advanceClock(3600)
    expect(reasonOf(await call('/drive/v3/files'))).toBe('401 authError')
  })

  it('a flipped byte shows in the bytes and not in the checksum', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const id = await store(call, { name: 'a' }, 'AAAA')
    const before = google.admin.state().files
    await google.admin.flip({ fileId: id, at: 2 })
    expect([...(await call(`/drive/v3/files/${id}?alt=media`)).bytes]).toEqual([65, 65, 190, 65])
    expect(google.admin.state().files).toEqual(before)
  })
})

describe('the admin side', () => {
  it('wants its token, and records calls without what would let somebody in', async () => {
    await using google = await freshGoogle()
    const { refreshToken } = google.admin.grant({ clientId: CLIENT })
    const form = { client_id: CLIENT, client_secret: SECRET, grant_type: 'refresh_token' }
    const { body } = await ask(google.tokenUrl, { form: { ...form, refresh_token: refreshToken } })
    const { access_token: token } = body as { access_token: string }
    const headers = { authorization: `Bearer ${token}` }
    const upload = '/upload/drive/v3/files?uploadType=resumable'
    const opened = await ask(`${google.url}${upload}`, { json: { name: 'a' }, headers })
    const url = opened.headers.get('location') ?? ''
    await ask(url, { method: 'PUT', bytes: new Uint8Array(3) })
    const admin = `${google.url}/_emulator/requests`
    expect((await ask(admin)).status).toBe(401)
    const asked = await ask(admin, { headers: { 'x-emulator-token': google.adminToken } })
    const recorded = JSON.stringify(asked.body)
    expect(recorded).toContain('"rpc":"upload.chunk"')
    const uploadId = new URL(url).searchParams.get('upload_id') ?? ''
    for (const secret of [token, refreshToken, SECRET, uploadId]) {
      expect(secret.length).toBeGreaterThan(10)
      expect(recorded).not.toContain(secret)
    }
  })

  it('does over HTTP what it does in the process', async () => {
    await using google = await freshGoogle()
    const headers = { 'x-emulator-token': google.adminToken }
    const order = (name: string, json: unknown) =>
      ask(`${google.url}/_emulator/${name}`, { json, headers })
    const granted = (await order('grant', { clientId: CLIENT })).body as { accessToken: string }
    const made = await ask(`${google.url}/drive/v3/files`, {
      json: { name: 'a' },
      headers: { authorization: `Bearer ${granted.accessToken}` },
    })
    expect((await order('quota', { limitBytes: 5 })).status).toBe(200)
    expect((await order('clock', { advanceSeconds: 60 })).status).toBe(200)
    expect((await order('faults', { kind: 'hang', rpc: 'token' })).status).toBe(200)
    expect((await order('expire', { what: 'access-tokens' })).status).toBe(200)
    expect((await order('revoke', {})).body).toEqual({ tokens: 1 })
    const { body } = await ask(`${google.url}/_emulator/state`, { headers })
    expect(body).toMatchObject({
      files: [{ id: idOf(made), name: 'a', clientId: CLIENT }],
      faults: [{ kind: 'hang' }],
      quota: { limitBytes: 5 },
    })
    expect((await order('expire', { what: 'everything' })).status).toBe(400)
    expect((await order('dance', {})).status).toBe(404)
    expect((await order('reset', {})).status).toBe(200)
    expect(google.admin.state()).toMatchObject({ files: [], faults: [] })
  })

  it('refuses a name that is not its own', async () => {
    await using google = await freshGoogle()
    const { request } = await import('node:http')
    const status = await new Promise((resolve, reject) => {
      const asking = request(`${google.url}/drive/v3/files`, { headers: { host: 'evil.example' } })
      asking.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject)
      asking.end()
    })
    expect(status).toBe(403)
  })
})
