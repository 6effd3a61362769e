import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, describe, expect, it } from 'vitest'
import { freePort } from '../e2e/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import {
  type Artifact,
  beforeStart,
  otherVersion,
  packed,
  projectRoot,
  sha256Of,
  unpacked,
} from './artifact.ts'

const place = temporaryFolder()
afterAll(() => place[Symbol.dispose]())
const base = unpacked(packed(place.path), join(place.path, 'base'))
const script = join(projectRoot, 'deploy/vm/upgrade.sh')

const version = (name: string, change: (top: string) => void = () => undefined): Artifact =>
  otherVersion(base, place.path, name, change)

const first = version('0.1.1')
const second = version('0.1.2')
const broken = version('0.2.0', (top) => beforeStart(top, '[ "$1" != up ] || exit 1'))
/** Brings the database to a form of its own, then cannot listen. */
const brokenLate = version('0.3.0', (top) => {
  writeFileSync(join(top, 'migrations/9999_new.sql'), 'create table added (id text);\n')
  beforeStart(top, 'export RODIZIO_HOST=203.0.113.1')
})

const foreign = version('0.4.0', (top) => writeFileSync(join(top, 'runtime/node'), 'for another'))
const damaged = otherVersion(
  base,
  place.path,
  '0.5.0',
  () => undefined,
  (top) => writeFileSync(join(top, 'dist/rodizio.js'), ''),
)
const noArtifact = (() => {
  const file = join(place.path, 'other.tar.gz')
  execFileSync('tar', ['-czf', file, '-C', base, 'migrations'])
  return { file, sha256: sha256Of(file) }
})()

/** A machine below a folder, with a systemctl that really starts and stops the program. */
async function machine() {
  const folder = temporaryFolder()
  const at = (path: string) => join(folder.path, path)
  mkdirSync(at('tools'))
  copyFileSync(join(import.meta.dirname, 'fake-systemctl.sh'), at('tools/systemctl'))
  chmodSync(at('tools/systemctl'), 0o755)
  const port = String(await freePort())
  const env = {
    PATH: `${at('tools')}:${process.env.PATH ?? ''}`,
    FAKE_ROOT: folder.path,
    FAKE_PORT: port,
  }
  const systemctl = (verb: string) => spawnSync(at('tools/systemctl'), [verb, 'rodizio'], { env })
  return {
    at,
    systemctl,
    upgrade(to: Artifact, more: readonly string[] = [], dieAt = '') {
      const args = [to.file, '--sha256', to.sha256, '--wait', '60', '--root', folder.path, ...more]
      const { status, signal, stdout, stderr } = spawnSync(script, args, {
        env: { ...env, FAKE_DIE: dieAt },
        encoding: 'utf8',
      })
      return { status, signal, said: stdout + stderr }
    },
    /** The version that answers, by its own word; undefined while none does. */
    async serves(): Promise<string | undefined> {
      for (let look = 0; look < 100; look += 1) {
        const health = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined)
        if (health?.ok) return ((await health.json()) as { version: string }).version
        await new Promise((next) => setTimeout(next, 100))
      }
      return undefined
    },
    current: () => readlinkSync(at('opt/rodizio/current')),
    token: () => readFileSync(at('var/lib/rodizio/token'), 'utf8'),
    database: () => new Sqlite(at('var/lib/rodizio/rodizio.db'), { readonly: true }),
    [Symbol.dispose]() {
      systemctl('stop')
      folder[Symbol.dispose]()
    },
  }
}
const installedAs = ({ sha256 }: Artifact, name: string) =>
  `versions/${name}-${sha256.slice(0, 12)}`

describe('upgrade.sh', { timeout: 120_000 }, () => {
  it('installs where nothing is, goes on to a newer version with all data, and leaves what runs alone', async () => {
    using vm = await machine()
    expect(vm.upgrade(first)).toMatchObject({ status: 0 })
    expect(await vm.serves()).toBe('0.1.1')
    const token = vm.token()
    expect(vm.upgrade(second)).toMatchObject({ status: 0 })
    expect(await vm.serves()).toBe('0.1.2')
    expect(vm.token()).toBe(token)
    expect(vm.current()).toBe(installedAs(second, '0.1.2'))
    expect(existsSync(vm.at(`opt/rodizio/${installedAs(first, '0.1.1')}`))).toBe(true)
    const [backup = ''] = readdirSync(vm.at('var/backups/rodizio'))
    expect(readdirSync(vm.at(`var/backups/rodizio/${backup}`))).not.toEqual([])
    const pid = readFileSync(vm.at('pid'), 'utf8')
    const again = vm.upgrade(second)
    expect(again).toMatchObject({ status: 0 })
    expect(again.said).toContain('nothing to do')
    expect(readFileSync(vm.at('pid'), 'utf8')).toBe(pid)
    expect(existsSync(vm.at('opt/rodizio/upgrade.state'))).toBe(false)
  })

  it('goes back by itself from a version that does not come up, its database as it was', async () => {
    using vm = await machine()
    vm.upgrade(first)
    const gone = vm.upgrade(broken, ['--wait', '2'])
    expect(gone).toMatchObject({ status: 1 })
    expect(gone.said).toContain('0.2.0')
    expect(gone.said).not.toContain('database comes back')
    expect(await vm.serves()).toBe('0.1.1')
    expect(vm.current()).toBe(installedAs(first, '0.1.1'))
  })

  it('brings the database back too where the version that failed had changed its form', async () => {
    using vm = await machine()
    vm.upgrade(first)
    const token = vm.token()
    const gone = vm.upgrade(brokenLate, ['--wait', '8'])
    expect(gone).toMatchObject({ status: 1 })
    expect(gone.said).toContain('the database comes back')
    expect(await vm.serves()).toBe('0.1.1')
    expect(vm.token()).toBe(token)
    using opened = { db: vm.database(), [Symbol.dispose]: () => opened.db.close() }
    const added = opened.db.prepare("select 1 from sqlite_master where name = 'added'").get()
    expect(added).toBeUndefined()
  })

  it('says what to do where the form was changed and no backup was wanted', async () => {
    using vm = await machine()
    vm.upgrade(first)
    const gone = vm.upgrade(brokenLate, ['--wait', '8', '--without-backup'])
    expect(gone).toMatchObject({ status: 5 })
    expect(gone.said).toContain('there is no backup from before')
  })

  it('does not go on without a backup', async () => {
    using vm = await machine()
    vm.upgrade(version('0.1.0', (top) => beforeStart(top, '[ "$1" != backup ] || exit 1')))
    const gone = vm.upgrade(second)
    expect(gone).toMatchObject({ status: 1 })
    expect(gone.said).toContain('the backup failed')
    expect(await vm.serves()).toBe('0.1.0')
  })

  it('changes nothing when it is given what it cannot take, and says what that is', async () => {
    using vm = await machine()
    vm.upgrade(first)
    const pid = readFileSync(vm.at('pid'), 'utf8')
    const wrong: readonly (readonly [to: Artifact, says: string])[] = [
      [{ ...second, sha256: '0'.repeat(64) }, 'does not have that SHA-256'],
      [{ ...second, sha256: 'none' }, '64 hexadecimal digits'],
      [{ ...second, file: '/nowhere.tar.gz' }, 'there is no file /nowhere.tar.gz'],
      [{ ...second, file: 'http://x.example/a' }, 'only https://'],
      [noArtifact, 'no artifact'],
      [damaged, 'not whole'],
      [foreign, 'does not run on this machine'],
    ]
    for (const [to, says] of wrong) {
      const refused = vm.upgrade(to)
      expect(refused.said).toContain(says)
      expect(refused.status).toBeGreaterThan(0)
    }
    expect(readFileSync(vm.at('pid'), 'utf8')).toBe(pid)
    expect(readdirSync(vm.at('opt/rodizio/versions'))).toEqual([
      installedAs(first, '0.1.1').slice('versions/'.length),
    ])
    expect(await vm.serves()).toBe('0.1.1')
  })

  it('killed at any moment it leaves what starts, and is finished by the next call', async () => {
    using vm = await machine()
    vm.upgrade(first)
    const moments = ['stop:after', 'daemon-reload:before', 'start:after']
    for (const [turn, moment] of moments.entries()) {
      const [to, name] = turn % 2 === 0 ? ([second, '0.1.2'] as const) : ([first, '0.1.1'] as const)
      expect(vm.upgrade(to, [], moment)).toMatchObject({ signal: 'SIGKILL' })
      vm.systemctl('start') // as after a power cut
      expect(await vm.serves()).toMatch(/^0\.1\.[12]$/)
      expect(vm.upgrade(to)).toMatchObject({ status: 0 })
      expect(await vm.serves()).toBe(name)
      expect(existsSync(vm.at('opt/rodizio/upgrade.state'))).toBe(false)
    }
  })

  it('killed while a version that does not come up is waited for, it goes back at the next call', async () => {
    using vm = await machine()
    vm.upgrade(first)
    expect(vm.upgrade(brokenLate, [], 'start:after')).toMatchObject({ signal: 'SIGKILL' })
    expect(vm.current()).toBe(installedAs(brokenLate, '0.3.0'))
    const again = vm.upgrade(first, ['--wait', '8'])
    expect(again.said).toContain('an earlier upgrade to 0.3.0')
    expect(again.said).toContain('the database comes back')
    expect(again).toMatchObject({ status: 0 })
    expect(vm.current()).toBe(installedAs(first, '0.1.1'))
    expect(await vm.serves()).toBe('0.1.1')
  })
})
