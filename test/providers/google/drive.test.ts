import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FaultInput } from '../../../src/emulators/faults.ts'
import type { GoogleEmulator } from '../../../src/emulators/google/server.ts'
import { checkedBytes } from '../../../src/providers/google/checked-bytes.ts'
import { driveClient } from '../../../src/providers/google/drive.ts'
import { uploadFile } from '../../../src/providers/google/upload-file.ts'
import { ask, caller, freshGoogle, GRANULE, pattern } from '../../emulators/google-fixture.ts'
import { allOf, failure, sha256, signedIn, sourceOf } from './fixture.ts'

let google: GoogleEmulator
beforeAll(async () => {
  google = await freshGoogle()
})
afterAll(() => google[Symbol.asyncDispose]())
beforeEach(() => google.reset())

const content = pattern(4 * GRANULE + 12_345) // five chunks of 256 KiB
const newUpload = (parent: string, more: Record<string, unknown> = {}) => ({
  name: 'adapter.safetensors',
  parent,
  bytes: content.length,
  sha256: sha256(content),
  appProperties: { run: 'run_1', step: '40' },
  ...more,
})
const visible = () =>
  google.admin.state().files.filter(({ bytes, isTrashed }) => bytes !== null && !isTrashed)

describe('folders', () => {
  it('are made once, level by level, also by another process', async () => {
    const { drive } = signedIn(google)
    const id = await drive.ensureFolder('Rodízio/runs/run_1')
    expect(await drive.ensureFolder('/Rodízio/runs/run_1/')).toBe(id)
    expect(await signedIn(google).drive.ensureFolder('Rodízio/runs/run_1')).toBe(id)
    await drive.ensureFolder("Rodízio/runs/it's")
    const names = google.admin.state().files.map(({ name }) => name)
    expect(names).toEqual(['Rodízio', 'runs', 'run_1', "it's"])
  })

  it('are made again after somebody deleted one', async () => {
    const { drive } = signedIn(google)
    const before = await drive.ensureFolder('Rodízio')
    await caller(google)(`/drive/v3/files/${before}`, { method: 'DELETE' })
    const lost = await failure(drive.openUpload(newUpload(before)))
    expect(lost).toMatchObject({ kind: 'not-found', code: 'drive_not_found' })
    expect(await drive.ensureFolder('Rodízio')).not.toBe(before)
  })
})

describe('an upload', () => {
  it('cut in chunk 2 of 5, twice, then expired, becomes one file with the right hash', async () => {
    const { drive, clock } = signedIn(google)
    const [id = ''] = await drive.generateIds(1)
    const parent = await drive.ensureFolder('Rodízio')
    const asked: number[] = []
    const source = (from: number) => {
      asked.push(from)
      if (asked.length === 3) google.admin.expire('uploads') // as if a week had gone by
      return sourceOf(content)(from)
    }
    let chunks = 0
    const cutting = {
      ...drive,
      sendChunk: (...args: Parameters<typeof drive.sendChunk>) => {
        chunks += 1
        if (chunks === 2 || chunks === 3)
          google.admin.addFaults({ rpc: 'upload.chunk', kind: 'cut', afterBytes: 100_000 })
        return drive.sendChunk(...args)
      },
    }
    const options = { drive: cutting, clock, chunkBytes: GRANULE }
    const file = await uploadFile(options, newUpload(parent, { id }), source)
    expect(file).toMatchObject({ id, bytes: content.length, sha256: sha256(content) })
    expect(asked).toEqual([0, GRANULE, GRANULE, 0])
    expect(visible()).toMatchObject([{ id, sha256: sha256(content) }])
    const states = google.admin.state().uploads.map(({ state }) => state)
    expect(states).toEqual(['expired', 'done'])
    const again = await uploadFile({ drive, clock }, newUpload(parent, { id }), sourceOf(content))
    expect(again.id).toBe(id)
    expect(visible()).toHaveLength(1)
  })

  it('whose last answer was lost is found done and not sent again', async () => {
    const { drive, clock } = signedIn(google)
    const parent = await drive.ensureFolder('Rodízio')
    google.admin.addFaults({ rpc: 'upload.chunk', kind: 'started_but_cut' })
    const file = await uploadFile(
      { drive, clock, chunkBytes: 8 * GRANULE },
      newUpload(parent),
      sourceOf(content),
    )
    expect(visible()).toMatchObject([{ id: file.id }])
    expect(google.admin.requests().filter(({ rpc }) => rpc === 'upload.chunk')).toHaveLength(1)
  })

  it('without an id of its own is found again by folder, name and hash', async () => {
    const { drive, clock } = signedIn(google)
    const parent = await drive.ensureFolder('Rodízio')
    const first = await uploadFile({ drive, clock }, newUpload(parent), sourceOf(content))
    const again = await uploadFile({ drive, clock }, newUpload(parent), sourceOf(content))
    expect(again.id).toBe(first.id)
    expect(first.appProperties).toEqual({ run: 'run_1', step: '40', sha256: sha256(content) })
    const found = await drive.find({ appProperties: { run: 'run_1' } })
    expect(found.map(({ id }) => id)).toEqual([first.id])
    expect(await drive.find({ appProperties: { run: 'run_2' } })).toEqual([])
  })

  it('of other bytes than were told is refused, and nothing of it stays', async () => {
    const { drive, clock } = signedIn(google)
    const parent = await drive.ensureFolder('Rodízio')
    const other = content.slice()
    other[77] = 1 + (other[77] ?? 0)
    const error = await failure(uploadFile({ drive, clock }, newUpload(parent), sourceOf(other)))
    expect(error).toMatchObject({ kind: 'invalid', code: 'hash_mismatch' })
    expect(visible()).toEqual([])
  })

  it('of no bytes is a file', async () => {
    const { drive, clock } = signedIn(google)
    const empty = { ...newUpload('root'), bytes: 0, sha256: sha256('') }
    const file = await uploadFile({ drive, clock }, empty, sourceOf(new Uint8Array()))
    expect(file).toMatchObject({ bytes: 0, sha256: sha256('') })
  })

  it('ends with the reason when the source has too few bytes, or failures go on', async () => {
    const { drive, clock } = signedIn(google)
    const short = sourceOf(content.subarray(0, GRANULE))
    const options = { drive, clock, attempts: 3 }
    const stuck = await failure(uploadFile(options, newUpload('root'), short))
    expect(stuck).toMatchObject({ kind: 'unavailable', code: 'upload_stuck' })
    google.admin.addFaults({ rpc: 'upload.chunk', kind: 'status', status: 503, times: 9 })
    const failing = await failure(uploadFile(options, newUpload('root'), sourceOf(content)))
    expect(failing).toMatchObject({ code: 'server_error' })
    const waited = clock.monotonicMs()
    expect(waited).toBeGreaterThan(0)
    google.admin.clearFaults()
    google.admin.addFaults({ rpc: 'upload.start', kind: 'rate_limit', retryAfterSeconds: 600 })
    await uploadFile(options, newUpload('root'), sourceOf(content))
    expect(clock.monotonicMs() - waited).toBe(600_000)
  })

  it('is gone on with by its address alone, without signing in, and looked at by its owner', async () => {
    const { drive } = signedIn(google)
    const url = await drive.openUpload(newUpload('root'))
    expect(await drive.uploadStatus(url)).toEqual({ kind: 'open', receivedBytes: 0 })
    const first = { 'content-range': `bytes 0-${GRANULE - 1}/${content.length}` }
    await ask(url, { method: 'PUT', bytes: content.subarray(0, GRANULE), headers: first })
    expect(await drive.uploadStatus(url)).toEqual({ kind: 'open', receivedBytes: GRANULE })
    const rest = { 'content-range': `bytes ${GRANULE}-${content.length - 1}/${content.length}` }
    await ask(url, { method: 'PUT', bytes: content.subarray(GRANULE), headers: rest })
    expect(await drive.uploadStatus(url)).toMatchObject({
      kind: 'done',
      file: { sha256: sha256(content) },
    })
    google.admin.advanceClock(8 * 24 * 3600)
    expect(await drive.uploadStatus(url)).toEqual({ kind: 'gone' })
    const elsewhere = url.replace('127.0.0.1', 'localhost')
    expect(await failure(drive.uploadStatus(elsewhere))).toMatchObject({ code: 'upload_url' })
  })

  it('small enough goes in one call', async () => {
    const { drive } = signedIn(google)
    const text = '{"cells":[],"rodizio":"--rodizio"}'
    const made = await drive.create({
      name: 'a.ipynb',
      parent: 'root',
      mimeType: 'text/x',
      content: text,
    })
    expect(made).toMatchObject({ name: 'a.ipynb', mimeType: 'text/x', sha256: sha256(text) })
    expect((await allOf(await drive.download(made.id))).toString()).toBe(text)
  })
})

describe('a download', () => {
  const stored = async () => {
    const { drive, clock } = signedIn(google)
    const { id } = await uploadFile({ drive, clock }, newUpload('root'), sourceOf(content))
    return { drive, id }
  }
  const expected = { bytes: content.length, sha256: sha256(content) }

  it('comes whole or in part', async () => {
    const { drive, id } = await stored()
    expect(sha256(await allOf(await drive.download(id)))).toBe(expected.sha256)
    const part = await allOf(await drive.download(id, { from: 10, to: 20 }))
    expect(part.equals(content.subarray(10, 20))).toBe(true)
    const rest = await allOf(await drive.download(id, { from: content.length - 5 }))
    expect(rest.equals(content.subarray(-5))).toBe(true)
    expect(await failure(drive.download(id, { from: content.length }))).toMatchObject({
      kind: 'invalid',
    })
  })

  it('with one flipped byte is refused', async () => {
    const { drive, id } = await stored()
    await allOf(checkedBytes(await drive.download(id), expected))
    await google.admin.flip({ fileId: id, at: 500_000 })
    expect((await drive.metadata(id)).sha256).toBe(expected.sha256)
    const error = await failure(allOf(checkedBytes(await drive.download(id), expected)))
    expect(error).toMatchObject({ kind: 'invalid', code: 'hash_mismatch' })
  })

  it('that breaks off says so and is gone on with', async () => {
    const { drive, id } = await stored()
    google.admin.addFaults({ rpc: 'files.download', kind: 'cut', afterBytes: 300_000 })
    const got: Uint8Array[] = []
    const broken = (async () => {
      for await (const chunk of await drive.download(id)) got.push(chunk)
    })()
    expect(await failure(broken)).toMatchObject({ kind: 'unavailable', code: 'connection_lost' })
    const from = Buffer.concat(got).length
    expect(from).toBeGreaterThan(0)
    const rest = await allOf(await drive.download(id, { from }))
    expect(sha256(Buffer.concat([...got, rest]))).toBe(expected.sha256)
  })

  it('may last longer than the time limit of an answer, as long as bytes come', async () => {
    const { tokens, clock } = signedIn(google)
    const drive = driveClient({ rootUrl: google.url, tokens, timeoutMs: 300, clock })
    const { id } = await drive.create({ name: 'a', parent: 'root', content: 'x'.repeat(60) })
    google.admin.addFaults({ rpc: 'files.download', kind: 'slow', bytesPerSecond: 60 })
    const began = performance.now()
    expect(await allOf(await drive.download(id))).toHaveLength(60)
    expect(performance.now() - began).toBeGreaterThan(600)
  })

  it('can be left in the middle', async () => {
    const { drive, id } = await stored()
    for await (const chunk of await drive.download(id)) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    expect((await drive.metadata(id)).id).toBe(id)
  })
})

describe('what stands in the way', () => {
  it('a file of another client id is not there, and deleting it is no error', async () => {
    const { drive, clock } = signedIn(google)
    const { id } = await uploadFile({ drive, clock }, newUpload('root'), sourceOf(content))
    const other = signedIn(google, 'other-client').drive
    expect(await failure(other.metadata(id))).toMatchObject({
      kind: 'not-found',
      code: 'drive_not_found',
    })
    expect(await failure(other.download(id))).toMatchObject({ kind: 'not-found' })
    await other.remove(id)
    expect((await drive.metadata(id)).id).toBe(id)
    await drive.remove(id)
    await drive.remove(id)
    expect(visible()).toEqual([])
  })

  it('a full account says so, the bin counted, and has room again after a deletion', async () => {
    const { drive, clock } = signedIn(google)
    const { id } = await uploadFile({ drive, clock }, newUpload('root'), sourceOf(content))
    google.admin.quota({ limitBytes: 2 * content.length - 1 })
    await caller(google)(`/drive/v3/files/${id}`, { method: 'PATCH', json: { trashed: true } })
    expect(await drive.quota()).toEqual({
      user: 'ana@example.com',
      limitBytes: 2 * content.length - 1,
      usedBytes: content.length,
      trashedBytes: content.length,
      freeBytes: content.length - 1,
    })
    const upload = { ...newUpload('root'), name: 'second' }
    const error = await failure(uploadFile({ drive, clock }, upload, sourceOf(content)))
    expect(error).toMatchObject({ kind: 'disk-full', code: 'drive_full' })
    await drive.remove(id)
    await uploadFile({ drive, clock }, upload, sourceOf(content))
    google.admin.quota({ limitBytes: null })
    expect(await drive.quota()).toMatchObject({ limitBytes: null, freeBytes: null })
  })

  it('a refused token is fetched anew, once', async () => {
    const { drive } = signedIn(google)
    await drive.quota()
    google.admin.expire('access-tokens')
    await drive.quota()
    google.admin.addFaults({ rpc: 'about.get', kind: 'expired_token', times: 2 })
    const error = await failure(drive.quota())
    expect(error).toMatchObject({ kind: 'unauthorized', code: 'google_token_refused' })
  })

  it('a sign-in that is over says how to sign in, while an open upload goes on by its address', async () => {
    const { drive, tokens, refreshToken } = signedIn(google)
    const url = await drive.openUpload(newUpload('root'))
    google.admin.revoke()
    google.admin.expire('access-tokens')
    const error = await failure(drive.quota())
    expect(error).toMatchObject({
      kind: 'unauthorized',
      code: 'google_signed_out',
      next: 'rodizio login google',
    })
    expect(JSON.stringify(error) + String(error)).not.toContain(refreshToken)
    expect(await failure(tokens.get())).toMatchObject({ code: 'google_signed_out' })
    const sent = await ask(url, { method: 'PUT', bytes: content })
    expect(sent.status).toBe(201)
  })

  it.each([
    ['429', { kind: 'rate_limit', retryAfterSeconds: 7 }, 'unavailable', 'rate_limited', 7],
    [
      'a user’s limit',
      { kind: 'status', status: 403, reason: 'userRateLimitExceeded' },
      'unavailable',
      'rate_limited',
      30,
    ],
    [
      'the project’s limit',
      { kind: 'status', status: 403, reason: 'rateLimitExceeded' },
      'unavailable',
      'rate_limited',
      30,
    ],
    [
      'the day’s limit',
      { kind: 'status', status: 403, reason: 'dailyLimitExceeded' },
      'unavailable',
      'rate_limited',
      86_400,
    ],
    [
      'a denial',
      { kind: 'status', status: 403, reason: 'insufficientPermissions' },
      'not-allowed',
      'drive_denied',
      undefined,
    ],
    ['a server error', { kind: 'status', status: 503 }, 'unavailable', 'server_error', undefined],
    ['nonsense', { kind: 'garbage' }, 'unavailable', 'bad_answer', undefined],
    [
      'an answer cut short',
      { kind: 'cut', afterBytes: 5 },
      'unavailable',
      'connection_lost',
      undefined,
    ],
    ['no answer', { kind: 'hang' }, 'unavailable', 'timeout', undefined],
  ] as const)('%s is told in our words, with its wait', async (_what, fault, kind, code, wait) => {
    const { tokens, clock } = signedIn(google)
    const drive = driveClient({ rootUrl: google.url, tokens, timeoutMs: 300, clock })
    google.admin.addFaults({ rpc: 'files.list', ...fault } satisfies FaultInput)
    const error = await failure(drive.find({ name: 'x' }))
    expect(error).toMatchObject({ kind, code, retryAfterSeconds: wait, next: expect.any(String) })
    expect(String(error)).not.toContain((await tokens.get()).token)
  })
})
