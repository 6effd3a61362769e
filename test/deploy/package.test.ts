import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { freePort, until } from '../e2e/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { endEmulators, packed, projectRoot, sha256Of, unpacked } from './artifact.ts'

const place = temporaryFolder()
afterAll(() => place[Symbol.dispose]())
const file = packed(place.path)
// Moved after it was unpacked: it knows no place of its own.
const top = join(place.path, 'elsewhere')
renameSync(unpacked(file, join(place.path, 'first')), top)

/** A command for which the checkout is not there: an empty disk is mounted over it, for this command alone. */
const withoutCheckout = (command: readonly string[]) => [
  '--mount',
  'sh',
  '-c',
  `mount -t tmpfs none ${JSON.stringify(projectRoot)} && exec "$@"`,
  'sh',
  ...command,
]
const mayHide = spawnSync('unshare', withoutCheckout(['true'])).status === 0

describe('the artifact', () => {
  it('is the same, byte for byte, each time that it is made', () => {
    using again = temporaryFolder()
    expect(sha256Of(packed(again.path))).toBe(sha256Of(file))
  })

  it('has its SHA-256 beside it, and those of its files in it', () => {
    execFileSync('sha256sum', ['--check', '--strict', `${file}.sha256`], { cwd: place.path })
    execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: top })
    const listed = readFileSync(join(top, 'SHA256SUMS'), 'utf8').trimEnd().split('\n').length
    const there = readdirSync(top, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    )
    expect(there).toHaveLength(listed + 1)
  })

  it('holds the compiled part for its platform alone, and the licences of what is in it', () => {
    const name = `${process.platform}-${process.arch}.node`
    expect(readdirSync(join(top, 'node_modules/better-sqlite3/prebuilds'))).toEqual([name])
    const notices = readFileSync(join(top, 'NOTICES'), 'utf8')
    for (const library of ['better-sqlite3', 'hono', 'zod', 'nodemailer']) {
      expect(notices).toMatch(new RegExp(`^${library} \\d+\\.\\d+\\.\\d+: `, 'm'))
    }
    expect(notices).not.toContain('rolldown')
    expect(statSync(join(top, 'runtime/LICENSE')).size).toBeGreaterThan(10_000)
  })

  it('says what is wrong when there is no artifact for a platform', () => {
    const args = [join(projectRoot, 'deploy/package.ts'), '--platform', 'win32-x64']
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('there is no artifact for win32-x64')
  })
})

describe('the program in it', () => {
  it('tells its version by whatever link it is called', () => {
    const link = join(place.path, 'rodizio')
    rmSync(link, { force: true })
    execFileSync('ln', ['-s', join(top, 'bin/rodizio'), link])
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
    expect(execFileSync(link, ['--version'], { encoding: 'utf8', env: {} })).toBe(`${version}\n`)
  })

  it('keeps its data outside of itself unless it is told where', () => {
    const env = { HOME: place.path }
    const out = execFileSync(join(top, 'bin/rodizio'), ['config', '--json'], { env })
    expect(out.toString('utf8')).toContain(join(place.path, '.local/share/rodizio'))
  })

  it.skipIf(!mayHide)(
    'serves, its emulators beside it, where there is no checkout',
    async () => {
      const port = await freePort()
      const data = join(place.path, 'data')
      const command = [join(top, 'bin/rodizio'), 'up']
      const service = spawn('unshare', withoutCheckout(command), {
        cwd: '/',
        env: {
          PATH: '/usr/local/bin:/usr/bin:/bin',
          HOME: place.path,
          RODIZIO_DATA_DIR: data,
          RODIZIO_PORT: String(port),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let told = ''
      service.stdout.on('data', (part: Buffer) => {
        told += part.toString('utf8')
      })
      const gone = new Promise<number | null>((end) => service.once('exit', end))
      try {
        await until('the service', () =>
          fetch(`http://127.0.0.1:${port}/ready`).then(
            ({ ok }) => ok,
            () => false,
          ),
        )
        // Templates, the sample's data and a notebook's runner have been read by then.
        await until(
          'a checkpoint of the sample run',
          async () => told.includes('checkpoint at step'),
          30_000,
        )
        // It is a process of one program: unshare and sh have become it.
        const maps = readFileSync(`/proc/${service.pid}/maps`, 'utf8')
        expect(maps).toContain(join(top, 'runtime/node'))
        expect(maps).toContain(join(top, 'node_modules/better-sqlite3/prebuilds'))
        expect(maps).not.toContain(projectRoot)
      } finally {
        service.kill('SIGTERM')
      }
      expect(await gone).toBe(0)
      await endEmulators(data)
    },
    60_000,
  )
})
