import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { commandLine } from '../cli/command-line.ts'
import {
  keyId,
  region,
  type S3Server,
  secretKey,
  startS3Server,
} from '../providers/s3/s3-server.ts'
import { type RunningService, runningService } from './service.ts'

const to = 's3://some-bucket/team'
let service: RunningService
let store: S3Server
let scratch: string
let restored: string
let env: Record<string, string>
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rodizio-s3-'))
  restored = join(scratch, 'restored')
  writeFileSync(join(scratch, 'backup.key'), 'a passphrase that is long enough\n')
  store = await startS3Server(systemClock)
  env = {
    RODIZIO_BACKUP_TO: to,
    RODIZIO_BACKUP_KEY_FILE: join(scratch, 'backup.key'),
    RODIZIO_S3_ENDPOINT: store.endpoint,
    RODIZIO_S3_REGION: region,
    RODIZIO_S3_ACCESS_KEY_ID: keyId,
    RODIZIO_S3_SECRET_ACCESS_KEY: secretKey,
  }
  service = await runningService(env)
  await service.importRows('chats', 20)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  rmSync(scratch, { recursive: true, force: true })
})
const given = (settings: Record<string, string>) => {
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value)
}
beforeEach(() => given(env))
const { run, json } = commandLine(() => service)
/** The same on a folder that nobody serves: an address that is empty is none. */
const alone = commandLine(() => ({ ...service, url: '', adminToken: '', folder: restored }))

it('a service and its commands make, list, prove and restore backups in a bucket', async () => {
  const made = await json('backup', 'create')
  expect(made).toMatchObject({ place: to, encrypted: true })
  const { name } = made
  expect(await json('backup', 'list')).toMatchObject({ place: to, items: [{ name }] })
  expect(await json('backup', 'verify', name, '--from', to)).toMatchObject({ name, whole: true })
  expect(await json('backup', 'drill')).toMatchObject({ name, good: true })
  expect(existsSync(join(service.folder, 'backups', name))).toBe(false)
})

it('commands do the same without a service, and name a setting that is missing', async () => {
  const { name } = await json('backup', 'create')
  expect(await alone.json('restore', name, '--from', to, '--into', restored)).toMatchObject({
    backup: name,
  })
  expect(existsSync(join(restored, 'secret.key'))).toBe(true)
  const made = await alone.json('backup', 'create')
  expect(made).toMatchObject({ place: to })
  expect((await alone.json('backup', 'list')).items).toMatchObject([{ name: made.name }, {}, {}])
  expect(await alone.json('backup', 'drill')).toMatchObject({ name: made.name, good: true })
  given({ ...env, RODIZIO_S3_SECRET_ACCESS_KEY: '' })
  const { err, status } = await alone.run('backup', 'list')
  expect(status).not.toBe(0)
  expect(err).toContain('is missing: RODIZIO_S3_SECRET_ACCESS_KEY')
})

it('a command that has no key of the store gets a backup through the service', async () => {
  const { name } = await json('backup', 'create')
  given({ RODIZIO_S3_SECRET_ACCESS_KEY: '' })
  expect(await json('backup', 'verify', name)).toMatchObject({ name, whole: true })
  expect(existsSync(join(service.folder, 'backups', name))).toBe(true)
})

it('the secret is in no answer, address or line of the configuration', async () => {
  const { out } = await run('config')
  expect(out).toContain('RODIZIO_S3_SECRET_ACCESS_KEY')
  expect(out).not.toContain(secretKey)
  expect(JSON.stringify(store.calls)).not.toContain(secretKey)
})
