import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
let client: ReturnType<typeof rodizioClient>
/** A service that really trains on this machine, in sessions of a second or two. */
beforeAll(async () => {
  service = await runningService({ RODIZIO_TICK_SECONDS: '0.2' })
  await service.importRows('piloto', 40)
  client = rodizioClient({ url: service.url, token: service.adminToken })
  await client.addAccount({ name: 'here', owner: 'Eva', provider: 'local', acceptRules: true })
}, 60_000)
afterAll(() => service[Symbol.asyncDispose]())

const { run, json } = commandLine(() => service)
const start = (...more: string[]) => run('train', 'start', '--data', 'piloto', ...more)
const completed = (name: string) =>
  vi.waitUntil(
    async () => {
      const found = await client.run(name).catch(() => undefined) // not opened yet
      return found?.state === 'completed'
    },
    { timeout: 60_000, interval: 100 },
  )

it('a dry run tells the first run and the rhythm; a smoke run and a version are refused', async () => {
  const weekly = ['--name', 'weekly', '--every', '7d', '--when-new', '20', '--steps', '2']
  const { out, status } = await start(...weekly, '--dry-run')
  expect(status).toBe(0)
  expect(out).toMatch(/^Nothing was begun\. It would be 2 steps with the engine dry\./)
  expect(out).toContain('hours')
  expect(out).toMatch(
    /\nAs the standing run weekly: this run at once, the next one every 7d, or when 20 training examples more are in piloto, from the adapter of the last; never two open\.\n$/,
  )
  expect((await run('train', 'list')).out).not.toContain('weekly')
  expect(await start(...weekly, '--smoke')).toMatchObject({
    status: 2,
    err: expect.stringMatching(
      /--smoke: a smoke run is tried once.*\(standing_smoke\)\n {2}Try it/,
    ),
  })
  const { version } = await json('data', 'show', 'piloto')
  const versioned = await run('train', 'start', '--data', version, '--every', '7d')
  expect(versioned.status).toBe(2)
  expect(versioned.err).toContain(`${version} is one version of piloto and stays as it is`)
  expect((await start('--every', 'weekly')).err).toContain('--every: "weekly" is no duration')
  expect((await start('--when-new', 'many')).err).toContain('--when-new: "many" is no number')
  expect((await start('--every', '1s')).status).toBe(2)
})

it('a standing run is begun with its first run, which is trained', async () => {
  const begun = await start(
    ...['--name', 'weekly', '--every', '7d', '--when-new', '20', '--steps', '2'],
    ...['--heartbeat', '0.2s', '--session-max', '60s'],
  )
  expect(begun).toMatchObject({ status: 0, err: '' })
  expect(begun.out).toMatch(/^Standing run weekly: the next one every 7d, or when 20 training/)
  expect(begun.out).toContain('rodizio train show weekly')
  expect(begun.out).toMatch(/\nRun weekly-1 \(run_\w+\): 2 steps with the engine dry\./)
  expect((await run('train', 'show', 'weekly-1')).out).toContain(
    'number 1 of the standing run weekly: rodizio train show weekly',
  )
  expect((await start('--name', 'weekly', '--every', '7d')).err).toContain('(standing_exists)')
  await completed('weekly-1')
  const list = (await run('train', 'list')).out
  expect(list).toMatch(/^weekly-1 +completed +2\/2/m)
  expect(list).toMatch(
    /\n\nSTANDING RUN +STATE +OPENS +LAST RUN +NEXT\nweekly +open +every 7d or 20 new +weekly-1: completed +\w{3} \d+ \w{3} \d\d:\d\d or 20 examples more\n$/,
  )
  expect(await json('train', 'list')).toMatchObject({
    items: [{ name: 'weekly-1' }],
    standing: [{ name: 'weekly', last: { name: 'weekly-1', state: 'completed' } }],
  })
}, 90_000)

it('new examples open the next run, and it is shown what is next, and why', async () => {
  const told = (await run('train', 'show', 'weekly')).out
  expect(told).toMatch(
    /^Standing run weekly \(std_\w+\): open\n {2}opens a run every 7d, or when 20/,
  )
  expect(told).toMatch(/^weekly-1 +.* the first +\d+ +2\/2 +\d\.\d{3} → \d\.\d{3} +completed$/m)
  expect(told).toMatch(/\nNext: not before \w{3} .* or 20 more examples in the data\.\n/)
  expect(told).toContain('begins with the base alone')
  await service.importRows('piloto', 100)
  await completed('weekly-2')
  const shown = await json('train', 'show', 'weekly')
  expect(shown).toMatchObject({
    count: 2,
    newExamples: 0,
    missing: 20,
    runs: [
      { name: 'weekly-1', because: 'first', artifact: 'dry' },
      { name: 'weekly-2', because: 'examples' },
    ],
  })
  const [before, after] = shown.runs
  expect(after.examples - before.examples).toBeGreaterThanOrEqual(20)
  const story = (await run('train', 'show', 'weekly-2')).out
  expect(story).toMatch(
    /Story:\n.* opened by the standing run weekly: \d+ new training examples\n.*session 1 on here/,
  )
  expect((await run('train', 'logs', 'weekly-2')).out).toMatch(
    /standing run weekly opens weekly-2: \d+ new training examples/,
  )
}, 90_000)

it('its data is in use while it is open, for data rm and for store gc', async () => {
  await start('--name', 'other', '--when-new', '500', '--steps', '2')
  await completed('other-1')
  for (const name of ['weekly-1', 'weekly-2', 'other-1']) {
    expect((await run('train', 'rm', name)).status).toBe(0)
  }
  // No run stands on it any more.
  expect(await run('data', 'rm', 'piloto')).toMatchObject({
    status: 1,
    err: expect.stringMatching(
      /data set piloto is what standing run \w+ opens its runs on \(dataset_in_use\)\n.*train stop/,
    ),
  })
  expect((await json('store', 'gc')).files).toBe(0)
  expect(await json('data', 'show', 'piloto')).toMatchObject({ name: 'piloto' })
  expect((await run('train', 'rm', 'other')).err).toContain('(standing_open)')
  expect((await run('train', 'stop', 'other')).out).toBe(
    'Standing run other is stopped: no run of it is open, and no other one is opened.\n',
  )
  expect((await run('train', 'rm', 'other', '--dry-run')).out).toContain(
    'Nothing was removed. The standing run other would go. It has opened no run that is there.',
  )
  expect((await run('train', 'rm', 'other')).out).toContain('Removed the standing run other.')
  expect((await run('train', 'show', 'other')).status).toBe(3)
}, 90_000)

it('a stop leaves the open run alone, unless it is to stop as well', async () => {
  await start('--name', 'slow', '--every', '20s', '--steps', '500', '--step-pace', '1s')
  const stopped = await run('train', 'stop', 'slow')
  expect(stopped.out).toBe(
    'Standing run slow is stopped: no other run is opened; its run slow-1 goes on to its end.\n' +
      '  To stop it too: rodizio train stop slow-1\n',
  )
  expect((await run('train', 'show', 'slow')).out).toMatch(
    /Next: none\. Its run slow-1 goes on to its end\.\n$/,
  )
  expect((await run('train', 'list')).out).toMatch(/^slow +stopped +every 20s +slow-1: \w+ +none$/m)
  expect(await json('train', 'stop', 'slow', '--run')).toMatchObject({
    standing: 'slow',
    openRun: 'slow-1',
    message: expect.stringContaining('of its run slow-1, '),
  })
  expect((await client.run('slow-1')).state).toMatch(/^stopp/)
})

it('logs and a priority are of runs: a standing run names one of its own', async () => {
  const asked = { status: 2, err: expect.stringContaining('slow is a standing run') }
  expect(await run('train', 'logs', 'slow')).toMatchObject(asked)
  expect((await run('train', 'logs', 'slow')).err).toContain('rodizio train logs slow-1\n')
  expect((await run('train', 'priority', 'slow', '5')).err).toContain('train priority slow-1 N\n')
})

it('what is neither a run nor a standing run is called a run that is not there', async () => {
  for (const command of ['show', 'stop', 'rm', 'logs']) {
    expect(await run('train', command, 'nothing')).toMatchObject({
      status: 3,
      err: expect.stringContaining('there is no run nothing (run_unknown)'),
    })
  }
})
