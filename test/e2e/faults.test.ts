import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { hiddenPlace, importRows } from './outside.ts'
import { completed, execute, freePort, makePlace, type Place, program, until } from './service.ts'

const row = (n: number) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: `Pergunta ${n}: quanto é ${n} mais 1?` },
      { role: 'assistant', content: `É ${n + 1}.` },
    ],
  })}\n`

/** A running service with data and the usual accounts, nothing training yet. */
async function ready(more: Record<string, string> = {}): Promise<Place> {
  const place = await makePlace({ RODIZIO_STORE: 'folder', RODIZIO_SAMPLE: 'off', ...more })
  await place.start()
  await until('the accounts', async () => (await place.client().accounts()).length === 3)
  const file = join(place.data, '..', 'rows.jsonl')
  writeFileSync(file, Array.from({ length: 80 }, (_, n) => row(n)).join(''))
  await place.json('data', 'import', file, '--name', 'rows')
  return place
}

const short = ['--steps', '30', '--session-max', '12s', '--save-every', '3s', '--heartbeat', '1s']

describe('starting wrong', () => {
  it('refuses a second service on the same data folder and names the first', async () => {
    await using place = await makePlace({ RODIZIO_STORE: 'folder', RODIZIO_EMULATORS: 'off' })
    await place.start()
    const second = await execute(process.execPath, [program, 'up'], {
      ...place.env,
      RODIZIO_PORT: '0',
    })
    expect(second.code).toBe(1)
    expect(second.err).toContain('folder_taken')
    expect(second.err).toContain(String(place.pid()))
    expect((await place.client().health()).status).toBe('ok')
  })

  it('says so when the port is taken, and leaves no service file', async () => {
    await using place = await makePlace({ RODIZIO_STORE: 'folder', RODIZIO_EMULATORS: 'off' })
    const other = createServer((_request, response) => response.writeHead(404).end())
    await new Promise<void>((resolve) =>
      other.listen(Number(place.env.RODIZIO_PORT), '127.0.0.1', resolve),
    )
    try {
      const refused = await place.run('up')
      expect(refused.code).toBe(1)
      expect(refused.err).toContain('port_taken')
      expect(refused.err).toContain('RODIZIO_PORT')
      expect((await place.run('status')).code).toBe(5)
    } finally {
      other.close()
    }
  })

  it('names an unknown setting and the one that was meant', async () => {
    await using place = await makePlace({ RODIZIO_STORE: 'folder', RODIZIO_PROT: '1' })
    const refused = await place.run('up')
    expect(refused.code).toBe(2)
    expect(refused.err).toContain('RODIZIO_PROT')
    expect(refused.err).toContain('RODIZIO_PORT')
  })

  it('names a file that is not there, and a service that does not run', async () => {
    await using place = await makePlace({ RODIZIO_STORE: 'folder', RODIZIO_EMULATORS: 'off' })
    const before = await place.run('train', 'list')
    expect(before.code).toBe(5)
    expect(before.err).toContain('rodizio up')
    await place.start()
    const missing = await place.run('data', 'import', '/nonexistent.jsonl', '--json')
    expect(missing.code).toBe(3)
    expect(JSON.parse(missing.err)).toMatchObject({ error: { code: 'file_unreadable' } })
    expect((await place.run('train', 'show', 'nothing')).code).toBe(3)
    expect((await place.run('train', 'start')).code).toBe(2)
  })

  it('refuses a clock before the last run, until told that it is right', async () => {
    await using place = await ready()
    await place.kill()
    const faked = { ...place.env, RODIZIO_PORT: '0' }
    const script = `const D = Date; globalThis.Date = class extends D {
      constructor(...a) { a.length ? super(...a) : super(D.now() - 864e5) } static now() { return D.now() - 864e5 } }`
    const preload = join(place.data, '..', 'yesterday.mjs')
    writeFileSync(preload, script)
    const args = ['--import', preload, program, 'up']
    const refused = await execute(process.execPath, args, faked)
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('clock_turned_back')
    expect(refused.err).toContain('--accept-clock')
  })

  it('goes to the background, tells its status, and comes down', async () => {
    await using place = await makePlace({ RODIZIO_STORE: 'folder', RODIZIO_EMULATORS: 'off' })
    const up = await place.json<{ pid: number; url: string }>('up', '--detach')
    expect(up.url).toBe(place.url)
    expect(await place.json('status')).toMatchObject({ status: 'ok', pid: up.pid })
    expect(await place.json('down')).toEqual({ stopped: up.pid })
    expect((await place.run('down')).code).toBe(3)
    expect((await place.run('status')).code).toBe(5)
  })
})

describe('Kaggle in trouble', () => {
  it.each([
    ['429 with Retry-After', { kind: 'rate_limit', retryAfterSeconds: 3 }],
    ['503', { kind: 'status', status: 503 }],
    ['500 after which nothing runs', { kind: 'status', status: 500 }],
    ['401', { kind: 'expired_token' }],
    ['403', { kind: 'status', status: 403, message: 'Permission denied' }],
    ['no free slot', { kind: 'error_text', text: 'Maximum batch GPU session count of 2 reached.' }],
    [
      'the week spent',
      { kind: 'error_text', text: 'Maximum weekly GPU quota of 30.00 hours reached.' },
    ],
    ['garbage', { kind: 'garbage', body: '<html>busy</html>' }],
    ['started, but the answer was cut', { kind: 'started_but_cut' }],
  ] as const)(
    'a push that meets %s never becomes two sessions, and the run completes',
    async (_what, fault) => {
      await using place = await ready()
      await place.emulator('POST', 'faults', { rpc: 'SaveKernel', times: 1, ...fault })
      await place.json('train', 'start', '--data', 'rows', '--name', 'r', ...short)
      const run = await completed(place, 'r', 120_000)
      const { sessions } = await place.emulator<{ sessions: { slug: string; version: number }[] }>(
        'GET',
        'state',
      )
      expect(new Set(sessions.map(({ slug }) => slug)).size).toBe(sessions.length)
      expect(sessions.every(({ version }) => version === 1)).toBe(true)
      // A launch of which nobody knows whether it took place is charged until its deadline all the same.
      const charged = run.sessions.filter(
        ({ provider, outcome }) => provider === 'kaggle' && outcome !== 'cancelled',
      )
      expect(charged.length).toBeGreaterThanOrEqual(sessions.length)
    },
  )

  it('a quota that cannot be read holds nothing up', async () => {
    await using place = await ready()
    const rpc = 'GetAcceleratorQuotaStatistics'
    await place.emulator('POST', 'faults', { rpc, times: 50, kind: 'status', status: 500 })
    await place.json('train', 'start', '--data', 'rows', '--name', 'r', ...short)
    await completed(place, 'r', 120_000)
  })
})

describe('this service in trouble', () => {
  it('finds what was trained at Kaggle while it was gone', async () => {
    const port = String(await freePort())
    const open = { RODIZIO_PORT: port, RODIZIO_PUBLIC_URL: `http://127.0.0.1:${port}` }
    await using place = await hiddenPlace({ ...open, RODIZIO_STORE: 'folder' }, ['ana'])
    await importRows(place, 'rows', 80)
    const pace = ['--step-pace', '0.2s', '--steps', '70']
    await place.json('train', 'start', '--data', 'rows', '--name', 'r', ...short, ...pace)
    const before = await until('a checkpoint', async () => {
      const { checkpoints } = await place.client().run('r')
      return checkpoints.length > 0 && checkpoints.at(-1)?.step
    })
    await place.kill()
    await until('the session to end by itself', async () => {
      const { sessions } = await place.emulator<{ sessions: { state: string }[] }>('GET', 'state')
      return sessions[0]?.state === 'COMPLETE'
    })
    await place.start()
    const run = await completed(place, 'r', 120_000)
    expect(run.sessions[0]).toMatchObject({ outcome: 'lost', lastCheckpointStep: before })
    const [, second] = run.sessions
    const taken = run.checkpoints.filter(({ generation }) => generation === second?.generation)
    expect(second?.fromStep).toBe(before)
    const { sessions } = await place.emulator<{ sessions: { logPath: string }[] }>('GET', 'state')
    const log = readFileSync(sessions[1]?.logPath ?? '', 'utf8')
    const found = Number(/checkpoint of step (\d+) found/.exec(log)?.[1])
    expect(found).toBeGreaterThan(before)
    expect(log).toContain(`RODIZIO_LOG`)
    expect(log).not.toContain(`"step": ${found},`)
    expect(taken.length).toBeGreaterThan(0)
  })
})

describe('this machine in trouble', () => {
  it('says that python is missing and waits, instead of losing the run', async () => {
    await using place = await makePlace({
      RODIZIO_STORE: 'folder',
      RODIZIO_EMULATORS: 'off',
      RODIZIO_PYTHON: '/nonexistent/python3',
    })
    await place.start()
    await place.json('accounts', 'add', 'here', '--provider', 'local', '--accept-rules')
    const file = join(place.data, '..', 'rows.jsonl')
    writeFileSync(file, Array.from({ length: 40 }, (_, n) => row(n)).join(''))
    await place.json('data', 'import', file, '--name', 'rows')
    await place.json('train', 'start', '--data', 'rows', '--name', 'r', ...short)
    const run = await until('the run to say why it waits', async () => {
      const seen = await place.client().run('r')
      return seen.waiting ? seen : undefined
    })
    expect(run.state).toBe('training')
    expect(run.waiting).toContain('/nonexistent/python3 does not run')
    expect((await place.client().budget())[0]?.usedHours).toBe(0)
    expect((await place.run('doctor')).code).toBe(1)
  })

  it('keeps everything whole when the disk fills up, and goes on when there is room', async (context) => {
    const mount = mkdtempSync(join(tmpdir(), 'rodizio-full-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount], { stdio: 'pipe' })
    } catch {
      rmSync(mount, { recursive: true })
      context.skip('a small file system can only be mounted by root on Linux')
    }
    try {
      await using place = await makePlace({
        RODIZIO_STORE: 'folder',
        RODIZIO_DATA_DIR: join(mount, 'data'),
        RODIZIO_EMULATORS: 'off',
      })
      await place.start()
      const env = place.env
      const cli = (...args: string[]) =>
        execute(process.execPath, [program, ...args, '--json'], env)
      const big = join(place.data, '..', 'big.jsonl')
      mkdirSync(join(place.data, '..'), { recursive: true })
      writeFileSync(big, row(1).repeat(300_000))
      const refused = await cli('data', 'import', big, '--name', 'big')
      expect(refused.code).toBe(1)
      expect(refused.err).toContain('disk_full')
      const small = join(place.data, '..', 'small.jsonl')
      writeFileSync(small, Array.from({ length: 40 }, (_, n) => row(n)).join(''))
      expect((await cli('data', 'import', small, '--name', 'small')).code).toBe(0)
      expect(
        (await cli('accounts', 'add', 'here', '--provider', 'local', '--accept-rules')).code,
      ).toBe(0)
      // Full in the middle of a run: uploads are refused whole and repeated until there is room.
      const started = await cli(
        'train',
        'start',
        '--data',
        'small',
        '--name',
        'r',
        ...short,
        '--step-pace',
        '0.15s',
      )
      expect(started.code).toBe(0)
      await until('a first checkpoint', async () => {
        const { out } = await cli('train', 'show', 'r')
        return (JSON.parse(out) as { checkpoints: unknown[] }).checkpoints.length > 0
      })
      const ballast = join(mount, 'ballast')
      writeBallast(ballast)
      const count = async () => {
        const { out } = await cli('train', 'show', 'r')
        return (JSON.parse(out) as { checkpoints: unknown[] }).checkpoints.length
      }
      const before = await count()
      await delay(4500)
      expect(await count()).toBe(before)
      rmSync(ballast)
      await until('the run to complete', async () => {
        const { out, code } = await cli('train', 'show', 'r')
        return code === 0 && (JSON.parse(out) as { state: string }).state === 'completed'
      })
    } finally {
      execFileSync('umount', ['-l', mount])
      rmSync(mount, { recursive: true, force: true })
    }
  })
})

/** Takes all the room there is. */
function writeBallast(file: string): void {
  for (const size of [1 << 20, 1 << 12]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch {
      // ENOSPC: a smaller piece may still fit.
    }
  }
}
