import { describe, expect, it } from 'vitest'
import { signedUpload } from '../../../src/providers/hub/signed-upload.ts'

const file = { name: 'w', bytes: 100, sha256: 'a'.repeat(64) }
const real = 'https://huggingface.co'
const local = 'http://127.0.0.1:4000'
const upload = (action: Parameters<typeof signedUpload>[1], hub = real) =>
  signedUpload(file, action, hub, 'asking')

describe('an upload as the hub has signed it', () => {
  it('is one address with the headers that the hub has named', () => {
    const header = {
      'X-Amz-Acl': 'private',
      host: 'evil',
      'content-length': '1',
      'bad name': 'x',
      n: 1,
    }
    expect(upload({ href: 'https://s3.example/a?sig=1', header })).toEqual({
      ...file,
      href: 'https://s3.example/a?sig=1',
      headers: { 'x-amz-acl': 'private' },
      parts: null,
    })
  })

  it('is one address for each part, in the order of their numbers', () => {
    const header = {
      chunk_size: '40',
      '00010': 'https://s3.example/10',
      '00002': 'https://s3.example/2',
      '00001': 'https://s3.example/1',
    }
    const { parts, headers } = upload({ href: 'https://s3.example/end', header })
    expect(parts).toEqual({
      partBytes: 40,
      hrefs: ['https://s3.example/1', 'https://s3.example/2', 'https://s3.example/10'],
    })
    expect(headers).toEqual({})
  })

  it.each([
    ['no address', { href: 'upload' }, real],
    ['an address without encryption', { href: 'http://s3.example/a' }, real],
    ['an address of this machine', { href: 'http://127.0.0.1:80/a' }, real],
    ['another scheme', { href: 'file:///etc/passwd' }, real],
    ['a name and a password', { href: 'https://a:b@s3.example/' }, real],
    ['a machine elsewhere, of a hub here', { href: 'http://10.0.0.1/a' }, local],
    [
      'parts that are too few',
      { href: 'https://s3.example/', header: { chunk_size: '40', '1': 'https://s3.example/1' } },
      real,
    ],
    [
      'a part that leads elsewhere',
      { href: 'https://s3.example/', header: { chunk_size: '100', '1': 'http://s3.example/1' } },
      real,
    ],
  ])('is refused with %s, which is not repeated', (_what, action, hub) => {
    const refused = () => upload(action, hub)
    expect(refused).toThrow(expect.objectContaining({ code: 'bad_answer' }))
    expect(refused).not.toThrow(/s3\.example|passwd|10\.0/)
  })

  it('may go to this machine where the hub is', () => {
    expect(upload({ href: 'http://localhost:4001/a' }, local).href).toBe('http://localhost:4001/a')
  })
})
