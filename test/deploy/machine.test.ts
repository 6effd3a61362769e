import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freePort, until } from '../e2e/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { bootstrap, projectRoot } from './artifact.ts'

const vm = (name: string) => join(projectRoot, 'deploy/vm', name)
const text = (name: string) => readFileSync(vm(name), 'utf8')
const run = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) =>
  spawnSync(command, args, { encoding: 'utf8', env })
const said = ({ stdout, stderr, error }: SpawnSyncReturns<string>) =>
  `${stdout}${stderr}${error?.message ?? ''}`

/** A tool that is missing fails in CI; elsewhere its tests are skipped. */
const lacks = (tool: string, ...args: string[]) =>
  process.env.CI !== 'true' && run(tool, args).status !== 0

describe.skipIf(lacks('shellcheck', '--version'))('shellcheck', () => {
  it.each(['upgrade.sh', 'install.sh', 'rodizio'])('has nothing to say of %s', (name) => {
    expect(said(run('shellcheck', [vm(name)]))).toBe('')
  })

  it('has nothing to say of the stand-ins of the tests', () => {
    const scripts = ['fake-systemctl.sh', 'fake-system.sh', 'whole-machine.sh']
    const paths = scripts.map((name) => join(import.meta.dirname, name))
    expect(said(run('shellcheck', paths))).toBe('')
  })

  it('has nothing to say of the script in the user data, and something of a wrong one', () => {
    using folder = temporaryFolder()
    const file = join(folder.path, 'rodizio-install')
    writeFileSync(file, bootstrap())
    expect(said(run('shellcheck', [file]))).toBe('')
    writeFileSync(file, `${bootstrap()}rm -rf $scratch/$1\n`)
    expect(said(run('shellcheck', [file]))).toContain('SC2086')
  })
})

describe.skipIf(lacks('cloud-init', '--version'))('the user data', () => {
  const validated = (content: string) => {
    using folder = temporaryFolder()
    const file = join(folder.path, 'user-data')
    writeFileSync(file, content)
    return run('cloud-init', ['schema', '--config-file', file])
  }

  it('is understood by cloud-init', () => {
    const { status, stdout, stderr } = validated(text('cloud-init.yaml'))
    expect({ status, stdout, stderr }).toMatchObject({ status: 0 })
  })

  it('would not be with a word that cloud-init does not know', () => {
    const { status } = validated(text('cloud-init.yaml').replace('maxsize:', 'largest:'))
    expect(status).not.toBe(0)
  })
})

describe('the script in the user data', () => {
  const hash = 'a'.repeat(64)
  it.each([
    ['nothing', '', 'HOST is empty'],
    ['no artifact', 'HOST=sslip', 'ARTIFACT is empty'],
    ['no SHA-256', 'HOST=sslip ARTIFACT=/a.tar.gz', 'SHA256 is not 64'],
    ['a file that is not there', `HOST=a.example ARTIFACT=/none SHA256=${hash}`, 'no file /none'],
    ['plain HTTP', `HOST=a.example ARTIFACT=http://a SHA256=${hash}`, 'neither an https://'],
    [
      'another file than the one named',
      `HOST=a.example ARTIFACT=/etc/hostname SHA256=${hash}`,
      'does not have that SHA-256',
    ],
  ])('stops with a sentence at %s', (_what, settings, says) => {
    using folder = temporaryFolder()
    const conf = join(folder.path, 'install.conf')
    writeFileSync(conf, `${settings.replaceAll(' ', '\n')}\n`)
    const { status, stderr } = spawnSync('bash', ['-c', bootstrap(), 'rodizio-install', conf], {
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    expect(stderr).toContain(says)
    expect(stderr).toContain(conf)
  })
})

describe.skipIf(lacks('systemd-analyze', '--version'))('the unit', () => {
  /** Of 10, by systemd's own reckoning; what is left is above all the network, and the code that the engine writes. */
  const mostExposed = 1.5

  const exposure = (unit: string): number => {
    using folder = temporaryFolder()
    const file = join(folder.path, 'rodizio.service')
    writeFileSync(file, unit)
    const args = ['security', '--offline=true', '--no-pager', file]
    const answer = run('systemd-analyze', args)
    return Number(/Overall exposure level for rodizio\.service: ([\d.]+)/.exec(said(answer))?.[1])
  }

  it(`is exposed to ${mostExposed} of 10 at most`, () => {
    expect(exposure(text('rodizio.service'))).toBeLessThanOrEqual(mostExposed)
  })

  it('would be more exposed with the system to write to', () => {
    const unit = text('rodizio.service').replaceAll(/^(?:Protect|Restrict|SystemCall).*$/gm, '')
    expect(exposure(unit)).toBeGreaterThan(mostExposed)
  })
})

describe.skipIf(lacks('caddy', 'version'))('Caddy', () => {
  const adapt = ['--config', vm('Caddyfile'), '--adapter', 'caddyfile']

  it('understands its file, and says so when the name of the site is missing', () => {
    const named = { ...process.env, RODIZIO_SITE: 'rodizio.example' }
    expect(run('caddy', ['validate', ...adapt], named)).toMatchObject({ status: 0 })
    expect(run('caddy', ['validate', ...adapt]).status).not.toBe(0)
  })

  it('passes on word by word, keeps metrics in, doubles no header, and waits for a restart', async () => {
    using folder = temporaryFolder()
    const upstreamPort = await freePort()
    const port = await freePort()
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const upstream = createServer(async (_request, response) => {
      response.setHeader('strict-transport-security', 'max-age=1')
      response.write('first ')
      await released
      response.end('last')
    })
    const caddy = spawn('caddy', ['run', ...adapt], {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder.path,
        XDG_DATA_HOME: folder.path,
        XDG_CONFIG_HOME: folder.path,
        RODIZIO_SITE: `http://127.0.0.1:${port}`,
        RODIZIO_UPSTREAM: `127.0.0.1:${upstreamPort}`,
      },
      stdio: 'ignore',
    })
    const gone = new Promise((end) => caddy.once('exit', end))
    const site = `http://127.0.0.1:${port}`
    try {
      const inside = await until('Caddy', () => fetch(`${site}/metrics`).catch(() => undefined))
      expect(inside.status).toBe(404)
      expect(inside.headers.get('server')).toBeNull()
      const asked = fetch(`${site}/v1/anything`) // nobody listens yet
      await new Promise<void>((go) => upstream.listen(upstreamPort, '127.0.0.1', go))
      const answer = await asked
      expect(answer.headers.get('strict-transport-security')).toBe('max-age=1')
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
      expect((await reader?.read())?.value).toBe('first ')
      release()
      expect((await reader?.read())?.value).toBe('last')
    } finally {
      release()
      caddy.kill('SIGTERM')
      await gone
      upstream.closeAllConnections()
      upstream.close()
    }
  })
})
