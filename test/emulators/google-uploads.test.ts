import { createHash } from 'node:crypto'
import { appendFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startGoogleEmulator } from '../../src/emulators/google/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import {
  ask,
  caller,
  freshGoogle,
  GRANULE,
  idOf,
  openUpload,
  pattern,
  put,
  reasonOf,
  statusOf,
  store,
} from './google-fixture.ts'

const content = pattern(4 * GRANULE + 1000)
const total = content.length
const hash = (name: string) => createHash(name).update(content).digest('hex')

describe('a resumable upload', () => {
  it.each(['PUT', 'POST'])(
    'takes chunks by %s and becomes one file with its checksums',
    async (method) => {
      await using google = await freshGoogle()
      const call = caller(google)
      const url = await openUpload(call, { name: 'weights' }, total)
      for (let from = 0; from < 4 * GRANULE; from += 2 * GRANULE) {
        const answer = await put(url, content, from, from + 2 * GRANULE, method)
        expect(answer.status).toBe(308)
        expect(answer.headers.get('range')).toBe(`bytes=0-${from + 2 * GRANULE - 1}`)
      }
      const made = await put(url, content, 4 * GRANULE, total, method)
      expect(made.status).toBe(201)
      const fields = 'name,size,md5Checksum,sha256Checksum'
      expect((await call(`/drive/v3/files/${idOf(made)}?fields=${fields}`)).body).toEqual({
        name: 'weights',
        size: String(total),
        md5Checksum: hash('md5'),
        sha256Checksum: hash('sha256'),
      })
      expect(await statusOf(url)).toMatchObject({ status: 200, body: { id: idOf(made) } })
      const back = await call(`/drive/v3/files/${idOf(made)}?alt=media`)
      expect(back.bytes.equals(content)).toBe(true)
    },
  )

  it('keeps whole granules of a chunk that was cut, and goes on from there', async () => {
    await using google = await freshGoogle()
    const url = await openUpload(caller(google), { name: 'weights' }, total)
    expect((await statusOf(url)).headers.get('range')).toBeNull()
    google.admin.addFaults({ rpc: 'upload.chunk', kind: 'cut', afterBytes: GRANULE + 77 })
    await expect(put(url, content, 0, 4 * GRANULE)).rejects.toThrow()
    const status = await statusOf(url, total)
    expect(status.status).toBe(308)
    expect(status.headers.get('range')).toBe(`bytes=0-${GRANULE - 1}`)
    expect((await put(url, content, GRANULE, total)).status).toBe(201)
  })

  it('takes bytes again that it already has, and none after a gap', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const url = await openUpload(call, { name: 'weights' }, total)
    await put(url, content, 0, 2 * GRANULE)
    const gap = await put(url, content, 3 * GRANULE, 4 * GRANULE)
    expect(gap.status).toBe(308)
    expect(gap.headers.get('range')).toBe(`bytes=0-${2 * GRANULE - 1}`)
    const again = content.slice()
    again.fill(0, GRANULE, 2 * GRANULE) // what stands already is not overwritten
    const made = await put(url, again, GRANULE, total)
    expect(google.admin.state().files).toMatchObject([{ id: idOf(made), sha256: hash('sha256') }])
  })

  it('takes the whole in one request, and a file without bytes', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const whole = await ask(await openUpload(call, { name: 'a' }), {
      method: 'PUT',
      bytes: content,
    })
    expect(whole.status).toBe(201)
    expect((await statusOf(await openUpload(call, { name: 'b' }, 0), 0)).status).toBe(200)
    expect(google.admin.state().files.map(({ bytes }) => bytes)).toEqual([total, 0])
  })

  it.each([
    ['a chunk that is no multiple of 256 KiB', `bytes 0-${GRANULE}/${total}`, GRANULE + 1],
    ['a range and a length that disagree', `bytes 0-${GRANULE - 1}/${total}`, GRANULE + 1],
    ['another total than was announced', `bytes 0-${GRANULE - 1}/${total + 1}`, GRANULE],
    ['a range past the total', `bytes 0-${total}/${total}`, total + 1],
    ['a range that is none', 'bytes 5-2/9', 3],
  ])('refuses %s', async (_why, range, length) => {
    await using google = await freshGoogle()
    const url = await openUpload(caller(google), { name: 'weights' }, total)
    const bytes = pattern(length)
    const answer = await ask(url, { method: 'PUT', bytes, headers: { 'content-range': range } })
    expect(reasonOf(answer)).toBe('400 invalid')
    expect((await statusOf(url)).headers.get('range')).toBeNull()
  })

  it('is gone after a week, when told so, and for an address that was never given', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const urls = [await openUpload(call, {}), await openUpload(call, {})]
    google.admin.advanceClock(7 * 24 * 3600)
    expect(reasonOf(await statusOf(urls[0] ?? ''))).toBe('404 notFound')
    const later = await openUpload(caller(google), {})
    expect((await statusOf(later)).status).toBe(308)
    google.admin.expire('uploads')
    expect((await put(later, content, 0, total)).status).toBe(404)
    expect((await statusOf(`${later}x`)).status).toBe(404)
  })

  it('goes on after a restart of the emulator, even one in the middle of a chunk', async () => {
    using folder = temporaryFolder()
    const options = { stateDir: folder.path, clock: systemClock }
    const first = await startGoogleEmulator(options)
    const url = await openUpload(caller(first), { name: 'weights' }, total)
    await put(url, content, 0, 2 * GRANULE)
    await first.close()
    const blobs = join(folder.path, 'google/blobs')
    for (const name of readdirSync(blobs)) appendFileSync(join(blobs, name), 'half a chunk')
    await using second = await startGoogleEmulator(options)
    expect(second.url).toBe(first.url)
    expect((await statusOf(url)).headers.get('range')).toBe(`bytes=0-${2 * GRANULE - 1}`)
    expect((await put(url, content, 2 * GRANULE, total)).status).toBe(201)
  })

  it('replaces the bytes of a file', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const id = await store(call, { name: 'old' }, 'before')
    const opened = await call(`/upload/drive/v3/files/${id}?uploadType=resumable`, {
      method: 'PATCH',
      json: { name: 'new' },
    })
    const answer = await put(opened.headers.get('location') ?? '', content, 0, total)
    expect(answer).toMatchObject({ status: 200, body: { id, name: 'new' } })
    expect(google.admin.state().files).toMatchObject([{ bytes: total, sha256: hash('sha256') }])
  })

  it('of an id makes one file, and the second is refused', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const ids = (await call('/drive/v3/files/generateIds?count=2')).body as { ids: string[] }
    const [id = ''] = ids.ids
    const urls = [await openUpload(call, { id }, total), await openUpload(call, { id }, total)]
    expect(idOf(await put(urls[0] ?? '', content, 0, total))).toBe(id)
    expect(reasonOf(await put(urls[1] ?? '', content, 0, total))).toBe('409 fileIdInUse')
    const third = await call('/upload/drive/v3/files?uploadType=resumable', { json: { id } })
    expect(reasonOf(third)).toBe('409 fileIdInUse')
    const made = await call('/drive/v3/files', { json: { id: 'of-my-own' } })
    expect(reasonOf(made)).toBe('400 invalid')
  })
})

describe('a small upload', () => {
  it.each([
    ['plain', 'text/plain\r\n\r\n', 'olá --b'],
    ['base64', 'text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n', 'b2zDoSAt\r\nLWI='],
  ])('of two parts, %s', async (_how, head, text) => {
    await using google = await freshGoogle()
    const call = caller(google)
    const body = `--b\r\nContent-Type: application/json\r\n\r\n{"name":"x"}\r\n--b\r\nContent-Type: ${head}${text}\r\n--b--\r\n`
    const made = await call('/upload/drive/v3/files?uploadType=multipart&fields=id,name,mimeType', {
      bytes: new TextEncoder().encode(body),
      method: 'POST',
      headers: { 'content-type': 'multipart/related; boundary="b"' },
    })
    expect(made.body).toMatchObject({ name: 'x', mimeType: 'text/plain' })
    const back = await call(`/drive/v3/files/${idOf(made)}?alt=media`)
    expect(back.bytes.toString()).toBe('olá --b')
  })

  it('of bytes alone', async () => {
    await using google = await freshGoogle()
    const call = caller(google)
    const headers = { 'content-type': 'text/csv' }
    const bytes = new TextEncoder().encode('a,b')
    const made = await call('/upload/drive/v3/files?uploadType=media', {
      method: 'POST',
      bytes,
      headers,
    })
    expect(made.body).toMatchObject({ name: 'Untitled', mimeType: 'text/csv' })
  })

  it('that is malformed leaves nothing', async () => {
    await using google = await freshGoogle()
    const made = await caller(google)('/upload/drive/v3/files?uploadType=multipart', {
      bytes: new TextEncoder().encode('--b\r\nnothing'),
      method: 'POST',
      headers: { 'content-type': 'multipart/related; boundary=b' },
    })
    expect(reasonOf(made)).toBe('400 invalid')
    expect(google.admin.state().files).toEqual([])
  })
})
