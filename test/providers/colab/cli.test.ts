import { chmodSync, existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { AppError } from '../../../src/lib/errors.ts'
import { killGroup, processStartedAt } from '../../../src/lib/processes.ts'
import { colabCli } from '../../../src/providers/colab/cli.ts'
import { resolvePython } from '../../../src/providers/local/python.ts'
import { temporaryFolder } from '../../temporary-folder.ts'

interface Act {
  lines?: string[]
  seconds?: number
  status?: number
}

/** The seam with a program that does what the test says, command by command. */
function bench(scenario: Record<string, Act>, { timeoutMs = 10_000, shebang = '' } = {}) {
  const folder = temporaryFolder()
  onTestFinished(() => folder[Symbol.dispose]())
  const program = join(import.meta.dirname, 'colab_stand_in.py')
  const command = join(folder.path, 'colab')
  const first = shebang || `#!${resolvePython('python3')}`
  const text = readFileSync(program, 'utf8')
  writeFileSync(command, `${first}\n${text}`)
  chmodSync(command, 0o755)
  writeFileSync(join(folder.path, 'scenario.json'), JSON.stringify(scenario))
  const env = { PATH: '/usr/bin:/bin', FROM_OPTIONS: 'yes' }
  const cli = colabCli({ command, home: folder.path, env, timeoutMs, clock: systemClock })
  const logPath = join(folder.path, 'run.log')
  return {
    cli,
    command,
    logPath,
    home: folder.path,
    run: (secrets: Record<string, string> = {}) =>
      cli.run('script.py', {
        name: 'run-1-g1',
        gpu: 'T4',
        env: secrets,
        timeoutSeconds: 60,
        logPath,
      }),
    seen: (): { args: string[]; listed: string; env: Record<string, string> }[] =>
      readFileSync(join(folder.path, 'seen.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
  }
}

const READY = '[colab] Session READY (run-1-g1). Executing script.py...'

it('starts a script, in a process that outlives it and shows no secret to others', async () => {
  const { run, seen, logPath, home } = bench({ run: { lines: [READY, 'step 1'], seconds: 30 } })
  const started = await run({ RODIZIO_TICKET: 'rzt_planted' })
  expect(started).toMatchObject({ kind: 'started', session: 'run-1-g1' })
  if (started.kind !== 'started') return
  expect(processStartedAt(started.pid)).toBe(started.processStartedAt)
  killGroup(started.pid)
  const [{ args, listed, env } = { args: [], listed: '', env: {} }] = seen()
  expect(args).toEqual(
    'run --gpu T4 --session run-1-g1 --timeout 60 --env RODIZIO_TICKET=rzt_planted script.py'.split(
      ' ',
    ),
  )
  expect(listed).not.toContain('rzt_planted')
  expect(env).toMatchObject({ FROM_OPTIONS: 'yes', HOME: home })
  expect(env).not.toHaveProperty('NODE_ENV')
  expect(readFileSync(logPath, 'utf8')).toContain('step 1')
  const history = join(home, '.config/colab-cli/history/run-1-g1.jsonl')
  expect(
    [history, join(home, '.config/colab-cli/colab.log')].map((path) => readlinkSync(path)),
  ).toEqual(['/dev/null', '/dev/null'])
})

it('takes a script that ends at once for started, whatever its status', async () => {
  const { run } = bench({ run: { lines: [READY], status: 3 } })
  expect(await run()).toMatchObject({ kind: 'started' })
})

const assignFailed = (reason: string): string =>
  `colab_cli.client.ColabRequestError: Failed to issue request POST https://colab.research.google.com/tun/m/assign?nbh=x: ${reason}`

it.each([
  ['too_many', ['[colab] Allocation refused (precondition failed). This can mean…'], /^Allocation/],
  ['no_gpu', ["[colab] Backend rejected accelerator 'T4'. You may not have…"], /^Backend rejected/],
  [
    'no_gpu',
    ['Traceback (most recent call last):', assignFailed('Service Unavailable')],
    /Unavail/,
  ],
  [
    'quota',
    ['pydantic_core.ValidationError: 2 validation errors for PostAssignmentResponse', 'endpoint'],
    /^Colab gave no machine/,
  ],
  ['denied', ['To authorize colab-cli, visit this URL', 'EOFError: EOF when reading'], /EOFError/],
  ['denied', [assignFailed('Unauthorized')], /Unauthorized/],
  [
    'cut',
    ["requests.exceptions.ProxyError: … (Caused by ProxyError('', RemoteDisconnected('Remote end"],
    /ProxyError/,
  ],
  ['cut', [assignFailed('Bad Gateway')], /Bad Gateway/],
  [
    'unreachable',
    ["requests.exceptions.ProxyError: … (Caused by NewConnectionError('refused'))"],
    /NewConnectionError/,
  ],
  ['unknown', ['something new'], /^something new$/],
  ['unknown', [], /^it said nothing$/],
] as const)('reads a refusal: %s', async (reason, lines, message) => {
  const own = ["[colab] Creating session 'run-1-g1'...", ...lines]
  const { run } = bench({ run: { lines: lines.length > 0 ? own : [], status: 1 } })
  expect(await run()).toEqual({
    kind: 'refused',
    reason,
    message: expect.stringMatching(message),
  })
})

it('repeats no secret that the program quotes, and takes no name that is none', async () => {
  const { run } = bench({
    run: { lines: ["[colab] Invalid --env value 'rzt_planted'"], status: 2 },
  })
  expect(JSON.stringify(await run({ T: 'rzt_planted' }))).not.toContain('rzt_planted')
  await expect(run({ 'A-B': 'x' })).rejects.toMatchObject({ kind: 'invalid' })
})

it('ends a program that never says whether it has a machine, and says that nobody knows', async () => {
  const { run } = bench({ run: { seconds: 60 } }, { timeoutMs: 700 })
  await expect(run()).rejects.toMatchObject({ kind: 'unavailable', code: 'answer_lost' })
})

it('lists sessions, the nameless ones too', async () => {
  const { cli } = bench({
    sessions: {
      lines: [
        '[colab] Pruned 1 stale local session(s).',
        '[run-1-g1] m-s-1 | Hardware: T4 | Shape: Standard | Variant: GPU',
        '[?] m-s-2 | Hardware: CPU | Shape: High-RAM | Variant: DEFAULT',
      ],
    },
  })
  expect(await cli.sessions()).toEqual([
    { name: 'run-1-g1', endpoint: 'm-s-1', hardware: 'T4' },
    { name: null, endpoint: 'm-s-2', hardware: 'CPU' },
  ])
})

it.each([
  ['[colab] Session terminated.', true],
  ["[colab] Session 'run-1-g1' not found.", false],
] as const)('stops and releases: %s', async (line, ended) => {
  const { cli, seen } = bench({ stop: { lines: [line] } })
  expect(await cli.stop('run-1-g1')).toBe(ended)
  expect(await cli.release('m-s-2')).toBe(ended)
  expect(seen()[1]?.args).toEqual(['--config', expect.any(String), 'stop', '--session', 'orphan'])
})

it('reads the balance, and says when it makes no sense', async () => {
  const lines = [
    'Current balance: 12.50 compute units',
    'Usage rate: 1.20/hr',
    'Active assignments: 1',
  ]
  const { cli } = bench({ usage: { lines } })
  expect(await cli.usage()).toEqual({ computeUnits: 12.5, unitsPerHour: 1.2, assignments: 1 })
  const odd = bench({ usage: { lines: ['Balance: plenty'] } })
  await expect(odd.cli.usage()).rejects.toMatchObject({ code: 'bad_answer' })
})

it.each([
  [
    'is not signed in',
    { lines: ['To authorize colab-cli, visit'], status: 1 },
    'colab_cli_denied',
    /by hand/,
  ],
  ['fails otherwise', { lines: ['[colab] Oh.'], status: 1 }, 'colab_cli_failed', /tried again/],
  ['does not end', { seconds: 60 }, 'timeout', /tried again/],
] as const)('says the next step when it %s', async (_why, act, code, next) => {
  const { cli } = bench(
    { sessions: { ...act } as Act },
    { timeoutMs: code === 'timeout' ? 500 : 10_000 },
  )
  await expect(cli.sessions()).rejects.toMatchObject({
    kind: 'unavailable',
    code,
    next: expect.stringMatching(next),
  })
})

it.each([
  ['by its path', '/nowhere/colab'],
  ['by its name', 'no-such-colab'],
])('says how to get a program that is missing, %s', async (_how, command) => {
  using folder = temporaryFolder()
  const env = { PATH: '/usr/bin:/bin' }
  const cli = colabCli({ command, home: folder.path, env, timeoutMs: 500, clock: systemClock })
  await expect(cli.usage()).rejects.toMatchObject({
    kind: 'unavailable',
    code: 'colab_cli_missing',
    next: expect.stringMatching(/Python 3\.12 or newer: uv tool install google-colab-cli/),
  })
})

it('hides arguments also where an installer wrote a long first line', async () => {
  const shebang = `#!/bin/sh\n'''exec' "${resolvePython('python3')}" "$0" "$@"\n' '''`
  const { run, seen } = bench({ run: { lines: [READY] } }, { shebang })
  expect(await run({ T: 'rzt_planted' })).toMatchObject({ kind: 'started' })
  expect(seen()[0]?.listed).not.toContain('rzt_planted')
})

it('writes the exit status of a program that ends by itself, and none of one that is killed', async () => {
  const { cli, home, logPath } = bench({ run: { lines: [READY], status: 3 } })
  const exitPath = join(home, 'exit.json')
  const order = { name: 'run-1-g1', gpu: 'T4', env: {}, timeoutSeconds: 60, logPath } as const
  const ran = await cli.run('script.py', { ...order, exitPath })
  if (ran.kind !== 'started') throw new Error(ran.message)
  for (let round = 0; round < 100 && processStartedAt(ran.pid) !== null; round += 1)
    await systemClock.sleep(20)
  expect(readFileSync(exitPath, 'utf8')).toBe('{"code": 3}')
  const long = bench({ run: { lines: [READY], seconds: 30 } })
  const longExit = join(long.home, 'exit.json')
  const begun = await long.cli.run('script.py', {
    ...order,
    logPath: long.logPath,
    exitPath: longExit,
  })
  if (begun.kind !== 'started') throw new Error(begun.message)
  killGroup(begun.pid)
  expect(existsSync(longExit)).toBe(false)
})

it('asks for nothing before its process was noted', async () => {
  const { cli, home, logPath } = bench({ run: { lines: [READY] } })
  let pid = 0
  const dying = cli.run('script.py', {
    name: 'run-1-g1',
    gpu: 'T4',
    env: {},
    timeoutSeconds: 60,
    logPath,
    note: (follower) => {
      pid = follower.pid
      throw new Error('dead')
    },
  })
  await expect(dying).rejects.toThrow('dead')
  await systemClock.sleep(300) // time in which the program would have begun
  expect(existsSync(join(home, 'seen.jsonl'))).toBe(false)
  expect(pid).toBeGreaterThan(0)
  expect(processStartedAt(pid)).toBe(null)
})

it.each([
  ['Version: 0.7.5', '0.7.5'],
  ['Version: 0.10.0', '0.10.0'],
  ['Version: 1.0.0rc1', '1.0.0rc1'],
  ['Version: 0.7.4', 'colab_cli_old'],
  ['no version at all', 'colab_cli_old'],
])('knows versions that are new enough: %s', async (line, expected) => {
  const { cli } = bench({ version: { lines: [line] } })
  expect(await cli.version().catch((error: AppError) => error.code)).toBe(expected)
})
