import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { s3Backups } from '../../src/providers/s3/backups.ts'
import type { StagedFile } from '../../src/safekeeping/backup-place.ts'
import { pattern } from '../emulators/google-fixture.ts'

const python =
  process.env.RODIZIO_TEST_S3_PYTHON ?? join(import.meta.dirname, '../../.venvs/clients/bin/python')
const hasPython =
  existsSync(python) && spawnSync(python, ['-c', 'import boto3, moto.server']).status === 0
if (!hasPython)
  process.stderr.write(
    `${python} has no boto3 and moto: their test is skipped. ` +
      'npm run setup:clients makes its environment; RODIZIO_TEST_S3_PYTHON names another one.\n',
  )

const bucket = 'some-bucket'
const name = 'rodizio-20261122T033000000Z-4f1c'
const half = 'rodizio-20261121T033000000Z-aaaa'

interface Found {
  readonly objects: readonly { key: string; sha256: string; told: string | null }[]
  readonly uploads: readonly string[]
}

/** A store by moto, which checks each signature with botocore's code, for the length of a block. */
async function motoStore() {
  const script = join(import.meta.dirname, 's3_with_boto.py')
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'ignore'] })
  const over = new Promise((resolve) => child.once('exit', resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value ?? 'null')
  const access: { endpoint: string; keyId: string; secretKey: string } = await next()
  return {
    access,
    /** What boto3 finds there. */
    async found(order = 'look'): Promise<Found> {
      child.stdin.write(`${order}\n`)
      return next()
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await over
    },
  }
}

const hashOf = (body: Uint8Array) => createHash('sha256').update(body).digest('hex')
const staged = (file: string, body: Buffer): StagedFile => ({
  name: file,
  bytes: body.length,
  sha256: hashOf(body),
  async *from(start) {
    for (let at = start; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536)
  },
})

it.runIf(hasPython)(
  'what is sent is taken by moto, read by boto3, read back, and removed',
  async () => {
    await using store = await motoStore()
    const options = { ...store.access, region: 'us-east-1', bucket, prefix: 'a/b_c' }
    const place = s3Backups({ ...options, clock: systemClock })
    const big = Buffer.from(pattern(20 * 1024 * 1024 + 1))
    const manifest = Buffer.from('{}')
    await place.keep(name, '', [staged('database.gz', big), staged('manifest.json', manifest)])
    const key = (file: string) => `a/b_c/${name}/${file}`
    expect(await store.found()).toEqual({
      objects: [
        { key: key('database.gz'), sha256: hashOf(big), told: hashOf(big) },
        { key: key('manifest.json'), sha256: hashOf(manifest), told: hashOf(manifest) },
      ],
      uploads: [],
    })
    expect(await place.names()).toEqual([name])
    const back = Buffer.concat(await Array.fromAsync(await place.read(name, 'database.gz')))
    expect(back.equals(big)).toBe(true)
    await expect(place.read(half, 'manifest.json')).rejects.toMatchObject({
      code: 'backup_unknown',
    })
    await place.remove(name)
    expect((await store.found()).objects).toEqual([])
  },
  60_000,
)

it.runIf(hasPython)(
  'what was begun long ago and never finished is given up, and no upload of others',
  async () => {
    await using store = await motoStore()
    const options = { ...store.access, region: 'us-east-1', bucket, prefix: '' }
    await store.found(`begin notes/${half}/database.gz`)
    expect((await store.found(`begin ${half}/database.gz`)).uploads).toHaveLength(2)
    // moto says of every upload that it was begun in 2010.
    const place = s3Backups({ ...options, clock: systemClock })
    await place.keep(name, '', [staged('manifest.json', Buffer.from('{}'))])
    expect((await store.found()).uploads).toEqual([`notes/${half}/database.gz`])
  },
  60_000,
)

it.runIf(hasPython)(
  'refusals come with what to do',
  async () => {
    await using store = await motoStore()
    const options = { ...store.access, region: 'us-east-1', bucket, prefix: '', clock: systemClock }
    const refusal = (changes: Partial<typeof options>) =>
      s3Backups({ ...options, ...changes })
        .names()
        .then(
          () => 'none',
          (error: { code: string }) => error.code,
        )
    expect(await refusal({ secretKey: 'another' })).toBe('s3_signature')
    expect(await refusal({ keyId: 'AKIAANOTHER000000000' })).toBe('s3_key_unknown')
    expect(await refusal({ bucket: 'another-bucket' })).toBe('s3_denied')
  },
  60_000,
)
