import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { commandLine } from '../cli/command-line.ts'
import { type RunningService, runningService } from './service.ts'

let service: RunningService
let scratch: string
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rodizio-backups-'))
  const keyFile = join(scratch, 'backup.key')
  writeFileSync(keyFile, 'a passphrase that is long enough\n')
  service = await runningService({ RODIZIO_BACKUP_KEY_FILE: keyFile })
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  rmSync(scratch, { recursive: true, force: true })
})

beforeEach(() => void vi.stubEnv('RODIZIO_BACKUP_KEY_FILE', join(scratch, 'backup.key')))
const { run, json } = commandLine(() => service)

describe('backups of a running service', () => {
  it('are made on request, listed, and leave a line in the audit log', async () => {
    await service.importRows('chats', 20)
    const made = await json('backup', 'create')
    expect(made).toMatchObject({ encrypted: true, version: '0.0.0-test', withAdapters: false })
    const list = await json('backup', 'list')
    expect(list.items[0].name).toBe(made.name)
    expect(list.lastBackup.name).toBe(made.name)
    expect(readdirSync(join(service.folder, 'backups'))).toEqual([made.name])
    const { items } = await json('audit', 'list')
    expect(items[0]).toMatchObject({ what: 'POST /v1/backups', outcome: 200 })
  })

  it('are verified and drilled by the command itself', async () => {
    const { name } = await json('backup', 'create')
    expect(await json('backup', 'verify', name)).toMatchObject({ name, whole: true })
    expect(await json('backup', 'drill')).toMatchObject({ name, good: true })
    expect(
      readdirSync(join(service.folder, 'backups')).filter((one) => one.startsWith('.')),
    ).toEqual([])
  })

  it('go to another folder, and are found there by name and by path', async () => {
    const to = join(scratch, 'usb')
    const { name } = await json('backup', 'create', '--to', `folder:${to}`)
    expect((await json('backup', 'list', '--from', `folder:${to}`)).items).toHaveLength(1)
    expect(await json('backup', 'verify', name, '--from', `folder:${to}`)).toMatchObject({ name })
    expect(await json('backup', 'verify', join(to, name))).toMatchObject({ name })
  })

  it('are refused one beside the other', async () => {
    const answers = await Promise.all([
      service.call('/v1/backups', { json: {} }),
      service.call('/v1/backups', { json: {} }),
    ])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409])
  })

  it.each([
    ['--to', 'ftp://there', 'backup_place_unknown'],
    ['--to', 'folder:relative', 'backup_place_unknown'],
    ['--to', 'drive', 'google_client_missing'],
    ['--to', 's3://Not_A_Bucket', 'backup_place_unknown'],
    ['--to', 's3://some-bucket/../up', 'backup_place_unknown'],
    ['--to', 's3://some-bucket/a', 's3_setting_missing'],
    ['--to', 'folder:/proc/nothing', 'backup_place'],
  ])('refuse %s %s with %s', async (flag, value, code) => {
    const { err, status } = await run('backup', 'create', flag, value, '--json')
    expect(status).not.toBe(0)
    expect(err).toContain(code)
  })

  it('are restored into an empty folder, and never over a service that works', async () => {
    const { name } = await json('backup', 'create')
    const into = join(scratch, 'again')
    expect(await json('restore', name, '--into', into)).toMatchObject({
      backup: name,
      into,
      aside: null,
      enterAnew: [],
    })
    expect(existsSync(join(into, 'secret.key'))).toBe(true)
    const refused = await run('restore', name, '--into', service.folder, '--force', '--json')
    expect(refused.err).toContain('folder_taken')
    const again = await run('restore', name, '--into', into)
    expect(again.err).toContain('is not empty')
  })
})
