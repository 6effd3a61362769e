import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { addSeconds, type Clock, systemClock } from '../../../src/lib/clock.ts'
import { killGroup, processesWith, processStartedAt } from '../../../src/lib/processes.ts'
import { renderNotebook } from '../../../src/notebooks/generate.ts'
import { colabCli } from '../../../src/providers/colab/cli.ts'
import { colabCliSessions } from '../../../src/providers/colab/cli-sessions.ts'
import { resolvePython } from '../../../src/providers/local/python.ts'
import { recipeOf, templates } from '../../notebooks/fixtures.ts'
import { accountOf } from '../../store/fixture.ts'
import { temporaryFolder } from '../../temporary-folder.ts'

const ticket = 'rzt_planted-for-this_test'
const account = accountOf('rui', { provider: 'colab', driver: 'cli' })
const notebook = renderNotebook(recipeOf('dry', { ticket, provider: 'colab' }), templates)
const started = { kind: 'started' } as const

/** The provider over a program that plays `colab` with machines; nothing of it is left at the end. */
function bench({ command = '', path = '/usr/bin:/bin', startSeconds = 10 } = {}) {
  const folder = temporaryFolder()
  const home = join(folder.path, 'home')
  const root = join(folder.path, 'sessions')
  mkdirSync(join(home, 'machines'), { recursive: true })
  onTestFinished(() => {
    for (const pid of processesWith(`HOME=${home}`)) killGroup(pid)
    folder[Symbol.dispose]()
  })
  const program = join(folder.path, 'colab')
  const text = readFileSync(join(import.meta.dirname, 'colab_world.py'), 'utf8')
  writeFileSync(program, `#!${resolvePython('python3')}\n${text}`)
  chmodSync(program, 0o755)
  let passed = 0
  const clock: Clock = { ...systemClock, now: () => addSeconds(systemClock.now(), passed) }
  let isReachable = true
  const open = () =>
    colabCliSessions({
      cli: colabCli({
        command: command || program,
        home,
        env: { PATH: path },
        timeoutMs: startSeconds * 1000,
        clock,
      }),
      root,
      clock,
      startSeconds,
      reachable: () => isReachable,
    })
  let provider = open()
  const put = (name: string, value: unknown) =>
    writeFileSync(join(home, name), JSON.stringify(value))
  const noted = (name: string): { pid: number; processStartedAt: string } =>
    JSON.parse(readFileSync(join(root, name, 'process.json'), 'utf8'))
  return {
    folder: folder.path,
    root,
    put,
    now: () => clock.now(),
    pass: (seconds: number) => {
      passed += seconds
    },
    /** The service dies and starts again. */
    restart: () => {
      provider = open()
    },
    cutOff: () => {
      isReachable = false
    },
    provider: () => provider,
    launch: (name: string) =>
      provider.launch({ account, name, notebook, timeoutSeconds: 3600, outputsOf: [], models: [] }),
    observe: (name: string) => provider.observe(account, name, null),
    /** Does the next run so. */
    next: (order: { do?: string; lines?: string[] }) => put('next.json', order),
    end: (name: string, status: number) => put(`end-${name}`, status),
    machines: () => readdirSync(join(home, 'machines')),
    stranger: () => writeFileSync(join(home, 'machines', 'm-stranger'), ''),
    takeBack: () => {
      for (const one of readdirSync(join(home, 'machines'))) rmSync(join(home, 'machines', one))
    },
    asked: (): { args: string[]; listed: string }[] =>
      existsSync(join(home, 'asked.jsonl'))
        ? readFileSync(join(home, 'asked.jsonl'), 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
        : [],
    follower: noted,
    lives: (name: string) => processStartedAt(noted(name).pid) === noted(name).processStartedAt,
    killFollower: async (name: string) => {
      killGroup(noted(name).pid)
      await until(() => processStartedAt(noted(name).pid) === null)
    },
  }
}

const until = async (probe: () => boolean): Promise<void> => {
  for (let round = 0; round < 100 && !probe(); round += 1) await systemClock.sleep(50)
  expect(probe()).toBe(true)
}

describe('a launch', () => {
  it('sends one script to one machine, and shows its ticket to nobody', async () => {
    const world = bench()
    expect(await world.launch('run-g1')).toEqual({ ...started, handle: 'run-g1' })
    const run = world.asked().find(({ args }) => args[0] === 'run')
    expect(run?.args.join(' ')).toMatch(/^run --gpu T4 --session run-g1 --timeout 4200 --env /)
    expect(run?.args).toContain(`RODIZIO_TICKET=${ticket}`) // it did get there
    expect(run?.listed).not.toContain(ticket)
    expect(readFileSync(run?.args.at(-1) ?? '', 'utf8')).toContain('session.finish()')
    const written = readdirSync(world.root, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('.'))
      .map((name) => readFileSync(join(world.root, name), 'utf8'))
    expect(written.length).toBeGreaterThan(3)
    expect(written.filter((text) => text.includes(ticket))).toEqual([])
    expect(world.machines().length).toBe(1)
  })

  it('is found again after the service died, and is followed to its end', async () => {
    const world = bench()
    await world.launch('run-g1')
    world.restart()
    expect(await world.observe('run-g1')).toEqual({ kind: 'running', handle: 'run-g1' })
    expect(await world.observe('run-g2')).toEqual({ kind: 'absent' })
    world.end('run-g1', 0)
    await until(() => !world.lives('run-g1'))
    expect(await world.observe('run-g1')).toEqual({ kind: 'ended', failed: false, message: null })
    expect(world.machines()).toEqual([])
  })

  it('that the service did not live to see is waited for, and ended when it takes too long', async () => {
    const world = bench({ startSeconds: 60 })
    world.next({ do: 'hang' })
    const dying = world.launch('run-g1')
    await until(() => existsSync(join(world.root, 'run-g1/process.json')))
    world.restart()
    expect(await world.observe('run-g1')).toMatchObject({
      kind: 'unknown',
      reason: 'it is still asking for a machine',
    })
    expect(world.lives('run-g1')).toBe(true)
    world.pass(61)
    expect(await world.observe('run-g1')).toMatchObject({ kind: 'unknown' })
    await until(() => !world.lives('run-g1'))
    expect(await world.observe('run-g1')).toEqual({ kind: 'absent' })
    await dying
  })

  it.each([
    ['too_many', '[colab] Allocation refused (precondition failed). This can mean…', 15],
    ['no_gpu', "[colab] Backend rejected accelerator 'T4'. You may not have…", 30],
    ['quota', 'pydantic_core.ValidationError: 2 validation errors for PostAssignmentResponse', 360],
    [
      'unreachable',
      'requests.exceptions.ConnectionError: … (Caused by NameResolutionError("Failed to resolve',
      1,
    ],
    ['unknown', 'something new', 15],
  ])(
    'that is refused for %s says so, and leaves the account alone for a while',
    async (_why, line, minutes) => {
      const world = bench()
      world.next({ lines: [line] })
      const before = world.now().getTime()
      const refused = await world.launch('run-g1')
      if (refused.kind !== 'refused') throw new Error(refused.kind)
      expect((refused.retryAt.getTime() - before) / 60_000).toBeCloseTo(minutes, 0)
      expect(refused.reason.length).toBeGreaterThan(5)
      expect(await world.observe('run-g1')).toEqual({ kind: 'absent' })
    },
  )

  it('whose answer was cut off is unknown, and the machine that it got all the same is given back; no other is', async () => {
    const world = bench()
    world.stranger()
    world.next({ do: 'cut', lines: ["('Connection aborted.', RemoteDisconnected('Remote end'))"] })
    expect(await world.launch('run-g1')).toMatchObject({ kind: 'unknown' })
    expect(world.machines()).toEqual(['m-stranger'])
    world.next({ do: 'start' })
    expect(await world.launch('run-g1')).toMatchObject(started)
    expect(world.machines().length).toBe(2)
  })

  it('gives back a machine that came late to an earlier try', async () => {
    const world = bench({ startSeconds: 1 })
    world.next({ do: 'hang' })
    await world.launch('run-g1')
    world.stranger() // it came after the program was ended: ours
    world.next({ do: 'start' })
    await world.launch('run-g1')
    expect(world.machines()).not.toContain('m-stranger')
    expect(world.machines().length).toBe(1)
  })

  it('first ends what is left of another session: there are never two machines', async () => {
    const world = bench()
    await world.launch('run-g1')
    await world.killFollower('run-g1')
    expect(world.machines().length).toBe(1)
    await world.launch('run-g2')
    expect(world.machines().length).toBe(1)
    expect(await world.observe('run-g2')).toMatchObject({ kind: 'running' })
  })

  it('starts nothing while sessions could not reach this service', async () => {
    const world = bench()
    world.cutOff()
    expect(await world.launch('run-g1')).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('RODIZIO_PUBLIC_URL'),
    })
    expect(world.asked()).toEqual([])
  })
})

describe('a program that is of no use', () => {
  it.each([
    ['is missing', { command: '/nowhere/colab' }, {}, /uv tool install google-colab-cli/],
    ['is too old', {}, { 'version.json': '0.6.9' }, /0\.6\.9.*0\.7\.5 or newer/],
    [
      'is not signed in',
      {},
      { 'broken.json': ['To authorize colab-cli, visit this URL'] },
      /Sign in once.*HOME=\S+ \S+ usage/,
    ],
  ] as const)(
    '%s: nothing is started, and the next step is told',
    async (_why, options, files, next) => {
      const world = bench(options)
      for (const [name, value] of Object.entries(files)) world.put(name, value)
      const refused = await world.launch('run-g1')
      expect(refused).toMatchObject({ kind: 'refused', reason: expect.stringMatching(next) })
      expect(world.asked().some(({ args }) => args[0] === 'run')).toBe(false)
      const proof = await world
        .provider()
        .prove()
        .catch((error: unknown) => error)
      expect(proof).toMatchObject({ kind: 'unavailable', next: expect.any(String) })
    },
  )

  it('is a wrapper: it gets no ticket, for its arguments could be seen', async () => {
    const folder = temporaryFolder()
    onTestFinished(() => folder[Symbol.dispose]())
    const wrapper = join(folder.path, 'colab')
    writeFileSync(wrapper, '#!/bin/sh\ncase "$*" in *version*) echo "Version: 0.7.5";; esac\n')
    chmodSync(wrapper, 0o755)
    const world = bench({ command: wrapper })
    expect(await world.launch('run-g1')).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/is a wrapper.*RODIZIO_COLAB_CLI/),
    })
  })

  it('is proved by what it says of the account', async () => {
    expect(await bench().provider().prove()).toMatch(/^google-colab-cli 0\.7\.5 is signed in: 3 /)
  })
})

describe('a session', () => {
  it('whose script fails has ended, with its last word', async () => {
    const world = bench()
    world.next({ do: 'start', lines: ['ValueError: no such thing'] })
    await world.launch('run-g1')
    world.end('run-g1', 3)
    await until(() => !world.lives('run-g1'))
    expect(await world.observe('run-g1')).toMatchObject({ kind: 'ended', failed: true })
  })

  it('whose machine Colab took back has ended, and so has the follower that would wait on', async () => {
    const world = bench()
    await world.launch('run-g1')
    world.takeBack()
    expect(await world.observe('run-g1')).toMatchObject({ kind: 'running' }) // young: not asked yet
    world.pass(180)
    expect(await world.observe('run-g1')).toEqual({
      kind: 'ended',
      failed: true,
      message: 'Colab took its machine back',
    })
    await until(() => !world.lives('run-g1'))
  })

  it('goes on when its follower is killed, but not when it had not begun', async () => {
    const world = bench()
    await world.launch('run-g1')
    await world.killFollower('run-g1')
    expect(await world.observe('run-g1')).toMatchObject({ kind: 'running' })
    world.pass(1000)
    expect(await world.observe('run-g1')).toMatchObject({ kind: 'ended', failed: true })
    expect(world.machines()).toEqual([])

    world.next({ do: 'start', lines: ['step 1'] })
    await world.launch('run-g2')
    await world.killFollower('run-g2')
    world.pass(1000)
    expect(await world.observe('run-g2')).toMatchObject({ kind: 'running' })
  })

  it('is not concluded upon while Colab cannot be asked', async () => {
    const world = bench()
    await world.launch('run-g1')
    world.pass(180)
    world.put('broken.json', ['[colab] Oh.'])
    expect(await world.observe('run-g1')).toMatchObject({ kind: 'unknown' })
    expect(await world.provider().kill(account, 'run-g1')).toBe(false)
  })

  it('is killed with its machine, again and again if need be', async () => {
    const world = bench()
    await world.launch('run-g1')
    expect(await world.provider().kill(account, 'run-g1')).toBe(true)
    expect(await world.provider().kill(account, 'run-g1')).toBe(true)
    expect(world.machines()).toEqual([])
    await until(() => !world.lives('run-g1'))
  })

  it('is killed also when the program has forgotten its name', async () => {
    const world = bench()
    await world.launch('run-g1')
    world.put('.config/colab-cli/sessions.json', {})
    expect(await world.provider().kill(account, 'run-g1')).toBe(true)
    expect(world.machines()).toEqual([])
  })

  it('shows the end of its log without colours and without tickets', async () => {
    const world = bench()
    world.next({ do: 'start', lines: [`\u001b[0;31mbad\u001b[0m ${ticket}`] })
    await world.launch('run-g1')
    const tail = () => world.provider().logTail(account, 'run-g1', 4000)
    for (let round = 0; round < 40 && !(await tail()).includes('bad'); round += 1)
      await systemClock.sleep(50)
    expect(await tail()).toContain('bad ***\n')
    expect(await tail()).not.toContain('rzt_')
  })
})

describe('what is left over', () => {
  it('is given back and forgotten, but for what an open session owns', async () => {
    const world = bench()
    await world.launch('run-g1')
    world.restart()
    await world.provider().endOrphans(async () => new Set(['run-g1']))
    expect(world.machines().length).toBe(1)
    expect(world.lives('run-g1')).toBe(true)
    const { pid } = world.follower('run-g1')
    await world.provider().endOrphans(async () => new Set())
    expect(world.machines()).toEqual([])
    await until(() => processStartedAt(pid) === null)
    expect(readdirSync(world.root)).toEqual([])
  })

  it('stays known while Colab cannot be asked', async () => {
    const world = bench()
    await world.launch('run-g1')
    world.put('broken.json', ['[colab] Oh.'])
    await expect(world.provider().endOrphans(async () => new Set())).rejects.toMatchObject({
      kind: 'unavailable',
    })
    rmSync(join(world.folder, 'home/broken.json'))
    await world.provider().endOrphans(async () => new Set())
    expect(world.machines()).toEqual([])
  })

  it('costs no question where there is nothing', async () => {
    const world = bench()
    await world.provider().endOrphans(async () => new Set())
    expect(world.asked()).toEqual([])
  })
})
