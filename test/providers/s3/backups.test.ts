import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { s3Backups } from '../../../src/providers/s3/backups.ts'
import type { StagedFile } from '../../../src/safekeeping/backup-place.ts'
import { makeBackup } from '../../../src/store/make-backup.ts'
import { newestForm } from '../../../src/store/migrate.ts'
import { openBackup, verifyBackup } from '../../../src/store/read-backup.ts'
import { settableClock } from '../../settable-clock.ts'
import { backupWorld, migrations, passphrase } from '../../store/backup-world.ts'
import {
  bucket,
  type Call,
  type Fault,
  keyId,
  region,
  secretKey,
  startS3Server,
} from './s3-server.ts'
import { expectedSignature } from './signature.ts'

const name = 'rodizio-20261122T033000000Z-4f1c'
const half = 'rodizio-20261121T033000000Z-aaaa'
const MIB = 1024 * 1024
const big = Buffer.alloc(9 * MIB, 'one line of a large file\n')

/** A place in a bucket of the tests' own store. */
async function s3World(changes: Partial<Parameters<typeof s3Backups>[0]> = {}) {
  const clock = settableClock('2026-11-22T03:30:00Z')
  const server = await startS3Server(clock)
  const { endpoint } = server
  const options = {
    endpoint,
    region,
    keyId,
    secretKey,
    bucket,
    prefix: 'team/a',
    clock,
    timeoutMs: 2000,
  }
  const place = s3Backups({ ...options, ...changes })
  return { ...server, clock, place, [Symbol.asyncDispose]: server[Symbol.asyncDispose] }
}

const staged = (file: string, body: Buffer): StagedFile => ({
  name: file,
  bytes: body.length,
  sha256: createHash('sha256').update(body).digest('hex'),
  async *from(start) {
    for (let at = start; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536)
  },
})
const small = [
  staged('database.gz', Buffer.from('a database')),
  staged('manifest.json', Buffer.from('{}')),
]
const large = [staged('database.gz', big), staged('manifest.json', Buffer.from('{}'))]
const bytesOf = async (source: AsyncIterable<Uint8Array>) =>
  Buffer.concat(await Array.fromAsync(source))

describe('a backup in a bucket', () => {
  it('arrives whole, is read back to its last byte, and leaves nothing on the disk here', async () => {
    await using world = await backupWorld()
    await using s3 = await s3World()
    const own = world.inPlace('own')
    const { name: made } = await makeBackup(
      {
        root: world.data,
        copyDatabase: world.storage.copyDatabase,
        version: '1.2.3',
        store: 'folder',
        adapters: null,
        passphrase,
        now: () => world.clock.now(),
      },
      s3.place,
      { folder: own, isOurs: true },
    )
    expect(await s3.place.names()).toEqual([made])
    await verifyBackup(await openBackup(s3.place, made, passphrase, newestForm(migrations)))
    expect(readdirSync(own)).toEqual([])
    expect([...s3.objects.keys()].every((key) => key.startsWith(`team/a/${made}/`))).toBe(true)
  })

  it('goes in parts of 8 MiB where it is large, and the manifest last', async () => {
    await using s3 = await s3World()
    await s3.place.keep(name, '', large)
    const sent = s3.calls.filter(({ method }) => method === 'PUT')
    expect(sent.map(({ query, key }) => query.partNumber ?? key)).toEqual([
      '1',
      '2',
      `team/a/${name}/manifest.json`,
    ])
    expect(sent.map(({ headers }) => Number(headers['content-length']))).toEqual([8 * MIB, MIB, 2])
    expect((await bytesOf(await s3.place.read(name, 'database.gz'))).equals(big)).toBe(true)
    expect(s3.objects.get(`team/a/${name}/database.gz`)?.sha256).toBe(large[0]?.sha256)
    expect(s3.uploads.size).toBe(0)
  })

  it('is none before its manifest is there; what was left of it goes after a day, and nothing else', async () => {
    await using s3 = await s3World()
    const put = (key: string) =>
      s3.objects.set(key, { body: Buffer.from('x'), sha256: undefined, modifiedAt: s3.clock.now() })
    const foreign = [
      'notes.txt',
      'team/a/rodizio-mine/a',
      `team/a/${half}/deep/er`,
      `team/b/${half}/database.gz`,
    ]
    for (const key of [...foreign, `team/a/${half}/database.gz`]) put(key)
    for (const [id, key] of [
      ['ours', `team/a/${half}/data1.gz`],
      ['other', 'team/a/rodizio-mine/b'],
    ] as const)
      s3.uploads.set(id, { key, sha256: undefined, begunAt: s3.clock.now(), parts: new Map() })
    expect(await s3.place.names()).toEqual([])
    s3.clock.advance(23 * 3600)
    await s3.place.keep(name, '', small)
    expect(s3.objects.has(`team/a/${half}/database.gz`)).toBe(true)
    s3.clock.advance(2 * 3600)
    await s3.place.keep('rodizio-20261123T043000000Z-bbbb', '', small)
    expect(s3.objects.has(`team/a/${half}/database.gz`)).toBe(false)
    expect(foreign.filter((key) => !s3.objects.has(key))).toEqual([])
    expect([...s3.uploads.keys()]).toEqual(['other'])
    expect(await s3.place.names()).toEqual(['rodizio-20261123T043000000Z-bbbb', name])
  })

  it('is made where unfinished uploads may not be listed', async () => {
    await using s3 = await s3World()
    s3.fail(({ query }) => query.uploads === '', {
      kind: 'answer',
      status: 403,
      code: 'AccessDenied',
    })
    await s3.place.keep(name, '', small)
    expect(await s3.place.names()).toEqual([name])
  })

  it('goes as a whole, the manifest first, twice if need be, and no other with it', async () => {
    await using s3 = await s3World()
    await s3.place.keep(name, '', small)
    await s3.place.keep(half, '', small)
    s3.fail(({ method, key }) => method === 'DELETE' && key.endsWith('.gz'), {
      kind: 'answer',
      status: 403,
      code: 'AccessDenied',
    })
    await expect(s3.place.remove(name)).rejects.toMatchObject({ code: 's3_denied' })
    expect(await s3.place.names()).toEqual([half])
    await s3.place.remove(name)
    await s3.place.remove(name)
    await s3.place.remove('notes')
    expect([...s3.objects.keys()]).toEqual([
      `team/a/${half}/database.gz`,
      `team/a/${half}/manifest.json`,
    ])
    await expect(s3.place.read(name, 'manifest.json')).rejects.toMatchObject({
      code: 'backup_unknown',
    })
    await expect(s3.place.read(half, 'gone.gz')).rejects.toMatchObject({ code: 'backup_damaged' })
    await expect(s3.place.read('../secret', 'key')).rejects.toMatchObject({
      code: 'backup_unknown',
    })
  })

  it('is found over many pages, at the bucket’s top too', async () => {
    await using s3 = await s3World({ prefix: '' })
    s3.state.pageSize = 3
    const names = Array.from({ length: 5 }, (_, i) => `rodizio-2026112${i}T033000000Z-4f1c`)
    for (const one of names) await s3.place.keep(one, '', small)
    expect(await s3.place.names()).toEqual(names.toReversed())
    expect(s3.place.shown).toBe(`s3://${bucket}`)
  })
})

const isPart = (number: string) => (call: Call) => call.query.partNumber === number
const isFinish = ({ method, query }: Call) => method === 'POST' && query.uploadId !== undefined
const slowDown: Fault = {
  kind: 'answer',
  status: 503,
  code: 'SlowDown',
  headers: { 'retry-after': '7' },
}

describe('trouble on the way', () => {
  it.each<[string, (call: Call) => boolean, Fault]>([
    ['a part that is cut', isPart('2'), { kind: 'cut-before' }],
    ['a part whose answer is lost', isPart('1'), { kind: 'cut-after' }],
    ['503 SlowDown', isPart('1'), slowDown],
    [
      'a beginning whose answer is lost',
      ({ query }) => query.uploads === '',
      { kind: 'cut-after' },
    ],
    ['an end whose answer is lost', isFinish, { kind: 'cut-after' }],
    [
      'an end that fails after its 200',
      isFinish,
      { kind: 'answer', status: 200, code: 'InternalError' },
    ],
    [
      'bytes spoiled on the way',
      isPart('1'),
      { kind: 'answer', status: 400, code: 'XAmzContentSHA256Mismatch' },
    ],
    [
      'a download that is cut',
      ({ method, key }) => method === 'GET' && key !== '',
      { kind: 'cut-body' },
    ],
    [
      'a manifest whose answer is lost',
      ({ method, key }) => method === 'PUT' && key.endsWith('.json'),
      { kind: 'cut-after' },
    ],
    ['429 on a list', ({ query }) => query['list-type'] === '2', { kind: 'answer', status: 429 }],
  ])('outlasts %s', async (_what, matches, fault) => {
    await using s3 = await s3World()
    s3.fail(matches, fault)
    await s3.place.keep(name, '', large)
    expect(await s3.place.names()).toEqual([name])
    expect((await bytesOf(await s3.place.read(name, 'database.gz'))).equals(big)).toBe(true)
  })

  it('waits as long as the store says, and no longer than five tries', async () => {
    await using s3 = await s3World()
    s3.fail(() => true, slowDown)
    await s3.place.names()
    expect(s3.clock.monotonicMs()).toBe(7000)
    s3.fail(() => true, { kind: 'answer', status: 500 }, 99)
    await expect(s3.place.names()).rejects.toMatchObject({ code: 'server_error' })
    expect(s3.calls).toHaveLength(7)
  })

  it.each<[string, (call: Call) => boolean, Fault, string]>([
    ['a part is never taken', isPart('2'), { kind: 'cut-before' }, 'connection_lost'],
    ['a part has the wrong tag', isPart('2'), { kind: 'wrong-tag' }, 's3_upload_gone'],
    [
      'the manifest is refused',
      ({ method, key }) => method === 'PUT' && key.endsWith('.json'),
      { kind: 'answer', status: 403, code: 'AccessDenied' },
      's3_denied',
    ],
    [
      'the account is full',
      isPart('2'),
      {
        kind: 'answer',
        status: 403,
        code: 'AccessDenied',
        message: 'Cannot upload files, storage cap exceeded.',
      },
      's3_full',
    ],
    [
      'other bytes arrive',
      ({ method, key }) => method === 'PUT' && key.endsWith('.json'),
      { kind: 'other-bytes' },
      'hash_mismatch',
    ],
  ])('leaves nothing where %s', async (_what, matches, fault, code) => {
    await using s3 = await s3World()
    s3.fail(matches, fault, 99)
    await expect(s3.place.keep(name, '', large)).rejects.toMatchObject({ code })
    expect([...s3.objects.keys(), ...s3.uploads.keys()]).toEqual([])
  })

  it.each(['cut-before', 'cut-after'] as const)(
    'is absent or whole wherever a process dies (%s), and what it has left goes later',
    async (kind) => {
      await using s3 = await s3World()
      await s3.place.keep(name, '', large)
      const most = s3.calls.length
      s3.forget()
      for (let deadly = 1; deadly <= most; deadly += 1) {
        // From that call on nothing gets through, nor any of what would tidy up.
        const from = s3.calls.length + deadly
        s3.fail(() => s3.calls.length === from, { kind })
        s3.fail(() => s3.calls.length > from, { kind: 'cut-before' }, 999)
        await expect(s3.place.keep(half, '', large)).rejects.toMatchObject({ kind: 'unavailable' })
        s3.heal()
        const [found] = await s3.place.names()
        expect(found).toBe(
          deadly === most || (deadly === most - 1 && kind === 'cut-after') ? half : undefined,
        )
        if (found !== undefined)
          expect(s3.objects.get(`team/a/${half}/database.gz`)?.body.equals(big)).toBe(true)
        s3.objects.delete(`team/a/${half}/manifest.json`)
      }
      expect(s3.uploads.size).toBeGreaterThan(0)
      expect(s3.objects.size).toBeGreaterThan(0)
      s3.clock.advance(25 * 3600)
      await s3.place.keep(name, '', small)
      expect([...s3.objects.keys()].map((key) => key.split('/').at(-2))).toEqual([name, name])
      expect(s3.uploads.size).toBe(0)
    },
  )

  it('gives up a store that takes nothing any more', async () => {
    await using s3 = await s3World({ timeoutMs: 100 })
    s3.fail(({ method }) => method === 'PUT', { kind: 'no-reading' }, 99)
    await expect(s3.place.keep(name, '', large)).rejects.toMatchObject({ code: 'timeout' })
    expect(s3.uploads.size).toBe(0)
  })
})

describe('a refusal', () => {
  it.each<[string, Partial<Parameters<typeof s3Backups>[0]>, string, RegExp]>([
    ['another secret', { secretKey: 'wrong' }, 's3_signature', /RODIZIO_S3_SECRET_ACCESS_KEY/],
    ['a key that is not known', { keyId: 'OTHER' }, 's3_key_unknown', /RODIZIO_S3_ACCESS_KEY_ID/],
    ['another region', { region: 'us-east-1' }, 's3_region', /RODIZIO_S3_REGION to eu-test-1/],
    ['no such bucket', { bucket: 'no-such-bucket' }, 's3_no_bucket', /Make it there/],
    [
      'a clock that is off',
      { clock: settableClock('2026-11-22T04:00:00Z') },
      'clock_off',
      /timedatectl/,
    ],
  ])('for %s says what to do', async (_what, changes, code, next) => {
    await using s3 = await s3World(changes)
    await expect(s3.place.names()).rejects.toMatchObject({
      code,
      next: expect.stringMatching(next),
    })
    expect(s3.calls).toHaveLength(1)
  })

  it.each<[Fault, string]>([
    [{ kind: 'answer', status: 301, headers: { location: 'http://127.0.0.1:9/' } }, 's3_region'],
    [{ kind: 'answer', status: 307, headers: { location: 'http://127.0.0.1:9/' } }, 's3_region'],
    [{ kind: 'answer', status: 403, code: 'AccessDenied' }, 's3_denied'],
    [{ kind: 'answer', status: 507 }, 's3_full'],
    [{ kind: 'answer', status: 501, code: 'NotImplemented' }, 'not_implemented'],
    [{ kind: 'answer', status: 418, code: 'Teapot' }, 's3_refused'],
    [{ kind: 'answer', status: 200, code: 'NoListAtAll' }, 'bad_answer'],
  ])('of %o is %s', async (fault, code) => {
    await using s3 = await s3World()
    s3.fail(() => true, fault, 99)
    await expect(s3.place.names()).rejects.toMatchObject({ code })
  })

  it('says by how much the clock is off', async () => {
    await using s3 = await s3World({ clock: settableClock('2026-11-22T02:50:00Z') })
    await expect(s3.place.names()).rejects.toThrow('this one is 40 minutes behind')
  })

  it('shows neither the secret nor more than a line of what the store says', async () => {
    await using s3 = await s3World()
    s3.fail(() => true, {
      kind: 'answer',
      status: 400,
      code: 'Odd',
      message: `a\u001b[2J&#10;${'b'.repeat(5000)}`,
    })
    const error: Error = await s3.place.names().then(
      () => new Error('none'),
      (thrown: Error) => thrown,
    )
    expect(error.message.length).toBeLessThan(400)
    expect(error.message).not.toMatch(/\p{C}/u)
    expect(JSON.stringify(s3.calls)).not.toContain(secretKey)
    expect(
      s3.calls.every(({ query }) => Object.keys(query).every((one) => !/amz|sign/i.test(one))),
    ).toBe(true)
  })
})

/** The examples of the description itself. */
it.each([
  [
    'GET',
    '/test.txt',
    { range: 'bytes=0-9' },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  ['GET', '/?lifecycle', {}, 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
  [
    'GET',
    '/?max-keys=2&prefix=J',
    {},
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
])(
  'the tests’ own check of signatures agrees with AWS: %s %s',
  (method, target, more, signature) => {
    const headers: Record<string, string> = {
      host: 'examplebucket.s3.amazonaws.com',
      ...more,
      'x-amz-content-sha256': createHash('sha256').update('').digest('hex'),
      'x-amz-date': '20130524T000000Z',
    }
    const names = Object.keys(headers).toSorted()
    const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
    expect(expectedSignature({ method, target, headers }, names, 'us-east-1', secret)).toBe(
      signature,
    )
  },
)
