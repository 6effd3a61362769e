import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { adapterOf, finishedRun } from '../http/finished-run.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
/** A service that looks at nothing by itself, with two adapters, a rehearsal, a training that waits, and a Kaggle account. */
beforeAll(async () => {
  service = await runningService()
  await service.importRows('rows', 40)
  await finishedRun(service.folder, 'support')
  await finishedRun(service.folder, 'support-2')
  await finishedRun(service.folder, 'rehearsal', { label: 'dry' })
  const ana = { name: 'ana', owner: 'Ana', provider: 'kaggle', username: 'ana', key: 'k' }
  await service.call('/v1/accounts', { json: { ...ana, acceptRules: true } })
  const slow = { dataset: 'rows', name: 'slow', steps: 90_000, options: { stepSeconds: 1 } }
  await service.call('/v1/runs', { json: slow })
})
afterAll(() => service[Symbol.asyncDispose]())

const { run, json } = commandLine(() => service)

describe('an account that may serve', () => {
  it('is one for which the rule was shown and accepted; who and when is told', async () => {
    expect((await run('accounts', 'show', 'ana')).out).toContain(
      'serves nothing: rodizio accounts accept ana --serving',
    )
    const refused = await run('accounts', 'accept', 'ana', '--serving')
    expect(refused.status).toBe(4)
    expect(refused.err).toContain('Serving at Kaggle: its notebooks are lent for computing')
    expect(refused.err).toMatch(/rules_not_accepted[\s\S]*accept ana --serving --yes/)
    expect(await json('accounts', 'show', 'ana')).toMatchObject({ serves: false })
    const { out, status } = await run('accounts', 'accept', 'ana', '--serving', '--yes')
    expect(status).toBe(0)
    expect(out).toContain('Serving at Kaggle: its notebooks are lent for computing')
    expect(out).toMatch(/Account ana may serve: accepted by Ana on \d{4}-/)
    expect(await json('accounts', 'show', 'ana')).toMatchObject({
      serves: true,
      servingAcceptedBy: 'Ana',
      servingAcceptedAt: expect.stringMatching(/^20/),
    })
    expect((await run('accounts', 'list')).out).toMatch(/SERVES[\s\S]*^ana .* yes/m)
    const again = await run('accounts', 'accept', 'ana', '--serving')
    expect(again).toMatchObject({ status: 0, err: '' })
    expect(again.out).not.toContain('Serving at Kaggle') // shown once
  })

  it('serves no longer once that is taken back, and the plan knows it', async () => {
    const { out } = await run('accounts', 'accept', 'ana', '--serving', '--revoke')
    expect(out).toContain('gets no new sessions that serve. Nothing is being served there.')
    expect(await json('accounts', 'show', 'ana')).toMatchObject({
      serves: false,
      servingAcceptedAt: null,
    })
    const { outlook } = await json('serve', 'add', 'x', '--adapter', 'support', '--dry-run')
    expect(outlook.servedHours).toBe(0)
    expect(outlook.gaps[0].why).toEqual([
      'no account may serve: accept a provider’s rule of serving with rodizio accounts accept',
    ])
  })

  it('wants to know what is accepted, and for whom', async () => {
    expect((await run('accounts', 'accept', 'ana')).err).toContain('accept ana --serving')
    expect((await run('accounts', 'accept', 'nobody', '--serving', '--yes')).status).toBe(3)
    expect((await run('accounts', 'accept', 'nobody', '--serving', '--revoke')).status).toBe(3)
  })

  it('is this machine at once', async () => {
    const here = ['accounts', 'add', 'here', '--provider', 'local', '--owner', 'Rui']
    expect((await run(...here, '--weekly-hours', '60', '--accept-rules')).status).toBe(0)
    expect(await json('accounts', 'show', 'here')).toMatchObject({
      serves: true,
      servingAcceptedAt: null,
    })
    const { out } = await run('accounts', 'accept', 'here', '--serving')
    expect(out).toContain('a machine of your own has no rule of serving')
  })
})

describe('a policy that is added', () => {
  it('is told with its hours, its gaps and what training loses; its key is shown once and kept nowhere', async () => {
    const dry = await run('serve', 'add', 'house', '--adapter', 'support', '--dry-run')
    expect(dry).toMatchObject({ status: 0, err: '' })
    expect(dry.out).toMatch(/^Nothing was added\. Serving policy house would be:/)
    expect(dry.out).not.toContain('rzk_')
    expect((await run('serve', 'list')).out).toMatch(/^No serving policies yet/)
    const added = await run('serve', 'add', 'house', '--adapter', 'support')
    expect(added).toMatchObject({ status: 0, err: '' })
    expect(added.out).toMatch(/Of 168\.0 wanted hours .* to be up for \d\d\.\d \(\d\d %\):/)
    expect(added.out).toMatch(/served by nobody:\n[\s\S]*here: its GPU hours of the week from/)
    expect(added.out).toMatch(
      /Training does some \d+ steps in \d+\.\d h in these days; without .* h\.\n {2}slow: .*; without /,
    )
    const key = /shown this once: (rzk_[\w-]{43})\n/.exec(added.out)?.[1] ?? ''
    const shown = await json('serve', 'show', 'house')
    expect(shown).toMatchObject({
      name: 'house',
      state: 'open',
      adapter: { sha256: adapterOf('support'), run: 'support' },
      windows: 'always',
      keySha256: sha256Hex(key),
      maxTokens: 1024,
      overlapSeconds: 900,
      reach: null,
      live: 0,
    })
    for (const file of ['rodizio.db', 'rodizio.db-wal']) {
      const path = join(service.folder, file)
      if (existsSync(path)) expect(readFileSync(path).includes(key)).toBe(false)
    }
    expect((await run('serve', 'show', 'house')).out).not.toContain(key)
    expect((await run('serve', 'logs', 'house')).out).toMatch(
      /serving policy house: adapter 737570706f72 on .*, wanted always\n$/,
    )
  })

  it('has the windows that were asked for, in their zone', async () => {
    const office = await json(
      ...['serve', 'add', 'office', '--adapter', adapterOf('support-2'), '--zone', 'Europe/Lisbon'],
      ...['--windows', 'mon-fri 09:00-18:00', '--windows', 'sat,sun 22:30-02:00'],
      ...['--priority', '5', '--session-max', '4h', '--overlap', '10m', '--max-tokens', '256'],
    )
    const zone = 'Europe/Lisbon'
    expect(office).toMatchObject({
      windows: [
        { weekdays: [1, 2, 3, 4, 5], fromHour: 9, toHour: 18, zone },
        { weekdays: [0, 6], fromHour: 22.5, toHour: 2, zone },
      ],
      adapter: { run: 'support-2' },
      priority: 5,
      sessionSeconds: 14_400,
      overlapSeconds: 600,
      maxTokens: 256,
      key: expect.stringMatching(/^rzk_/),
    })
    expect(office.outlook.wantedHours).toBeCloseTo(5 * 9 + 2 * 3.5, 5)
    const long = office.outlook.served.map(
      ({ from, to }: { from: string; to: string }) => Date.parse(to) - Date.parse(from),
    )
    expect(Math.max(...long)).toBeLessThanOrEqual(4 * 3_600_000)
    const { out } = await run('serve', 'list')
    expect(out).toMatch(
      /^office +open +support-2 \(\w{12}\) +mon-fri 09:00-18:00 Europe\/Lisbon; sat,sun 22:30-02:00/m,
    )
    expect(out).toMatch(/^house +open/m)
  })

  it('shares its name with no run, and none with a policy', async () => {
    expect(await run('serve', 'add', 'support', '--adapter', 'support')).toMatchObject({
      status: 1,
      err: expect.stringContaining('there is a run named support already (run_exists)'),
    })
    expect(await run('serve', 'add', 'house', '--adapter', 'support')).toMatchObject({
      status: 1,
      err: expect.stringContaining('a serving policy named house already (policy_exists)'),
    })
    expect(await run('train', 'start', '--data', 'rows', '--name', 'house')).toMatchObject({
      status: 1,
      err: expect.stringContaining('a serving policy named house already (policy_exists)'),
    })
    expect((await run('serve', 'add', '<b>x</b>', '--adapter', 'support')).err).toMatch(
      /^rodizio: name: 1 to 40/,
    )
  })

  it.each([
    [
      'a rehearsal',
      ['--adapter', 'rehearsal'],
      2,
      /the engine dry rehearses, and makes no adapter/,
    ],
    ['a run under way', ['--adapter', 'slow'], 2, /no adapter that could be served/],
    ['a run that is not there', ['--adapter', 'nothing'], 3, /there is no run nothing/],
    ['a policy for an adapter', ['--adapter', 'house'], 3, /house is a serving policy/],
    [
      'an unknown hash',
      ['--adapter', 'f'.repeat(64)],
      3,
      /adapter ffffffffffff is not in the store/,
    ],
    [
      'a day that is none',
      ['--windows', 'mo-fr 09:00-18:00'],
      2,
      /--windows: "mo-fr" are no days.*\n {2}Write "mon-fri/,
    ],
    [
      'always and more',
      ['--windows', 'always', '--windows', 'mon 1:00-2:00'],
      2,
      /always goes with no other/,
    ],
    [
      'an unknown zone',
      ['--windows', 'mon 09:00-10:00', '--zone', 'Lisbon'],
      2,
      /--zone: there is no time zone "Lisbon"\n.*Europe\/Lisbon/,
    ],
    ['a zone of nothing', ['--zone', 'Europe/Lisbon'], 2, /--zone: without weekly windows/],
    [
      'a priority in words',
      ['--priority', 'high'],
      2,
      /--priority: "high" is no whole number from -100 to 100/,
    ],
    ['too long an overlap', ['--overlap', '3h'], 2, /--overlap: 3h is not from 1m to 2h/],
    [
      'too many tokens',
      ['--max-tokens', '9000'],
      2,
      /--max-tokens: "9000" is no whole number from 16 to 8192/,
    ],
    [
      'sessions without room',
      ['--session-max', '90m', '--overlap', '45m'],
      2,
      /sessions of 90m are too short for an overlap of 45m[\s\S]*--session-max 100m or more/,
    ],
    ['short sessions', ['--session-max', '30m'], 2, /--session-max: 30m is not from 1h to 24h/],
    [
      'another tunnel',
      ['--tunnel', 'ngrok'],
      2,
      /--tunnel: there is no tunnel "ngrok"\n {2}There is: --tunnel cloudflared/,
    ],
    [
      'another way',
      ['--reach', 'ngrok'],
      2,
      /--reach: there is no way "ngrok"\n {2}There are: relay, tunnel, local/,
    ],
    ['two ways', ['--reach', 'relay', '--tunnel', 'cloudflared'], 2, /by relay and by a tunnel/],
    ['a tunnel unseen', ['--tunnel', 'cloudflared'], 4, /rules_not_accepted[\s\S]*--accept-rules/],
  ] as const)('refuses %s, and adds nothing', async (_what, flags, status, sentence) => {
    const adapter = (flags as readonly string[]).includes('--adapter')
      ? []
      : ['--adapter', 'support']
    const refused = await run('serve', 'add', 'wrong', ...adapter, ...flags)
    expect(refused.err).toMatch(sentence)
    expect(refused.status).toBe(status)
    expect((await run('serve', 'show', 'wrong')).status).toBe(3)
  })

  it.each([
    ['open', '--tunnel', 'cloudflared'],
    ['open-too', '--reach', 'tunnel'],
  ])('opens a tunnel only with its rule accepted, which is shown: %s', async (name, ...way) => {
    const flags = ['--adapter', 'support', ...way, '--accept-rules']
    const { out, status } = await run('serve', 'add', name, ...flags)
    expect(status).toBe(0)
    expect(out).toMatch(/^A quick tunnel of Cloudflare puts each node on the open net/)
    expect(await json('serve', 'show', name)).toMatchObject({ reach: 'tunnel' })
    expect((await run('serve', 'stop', name)).status).toBe(0)
    expect((await run('serve', 'rm', name)).status).toBe(0)
  })
})

describe('policies and trainings', () => {
  it('keep apart', async () => {
    const runs = (await json('train', 'list')).items.map(({ name }: { name: string }) => name)
    expect(runs).not.toContain('house')
    for (const command of [['show'], ['stop'], ['rm'], ['logs']]) {
      expect(await run('train', ...command, 'house')).toMatchObject({
        status: 3,
        err: expect.stringMatching(
          /house is a serving policy, not a .*\n {2}.*rodizio serve show house/,
        ),
      })
      expect(await run('serve', ...command, 'slow')).toMatchObject({
        status: 3,
        err: expect.stringMatching(
          /slow is a training run, not a .*\n {2}.*rodizio train show slow/,
        ),
      })
    }
    expect((await run('train', 'priority', 'house', '3')).err).toContain('run_is_policy')
    expect((await run('serve', 'change', 'slow', '--priority', '3')).err).toContain('policy_is_run')
    expect((await run('serve', 'show', 'nothing')).err).toContain('policy_unknown')
    expect((await run('sessions', '--run', 'house')).out).toBe('No sessions.\n')
  })

  it('stand in one plan, by their names, each with what bound it', async () => {
    const { out } = await run('plan', '--explain')
    expect(out).toMatch(/house is served on here/)
    expect(out).toMatch(/office is served on here: \d\.\d h\n.*bound by/)
    expect(out).toMatch(/bound by the longest session that the serving policy\s+office asks for/)
    expect(out).toContain('≡ serving')
    expect(out).toMatch(/Wanted and served by nobody:\n {2}(office|house): \d+\.\d h/)
    expect(out).not.toMatch(/^ {2}(house|office): (Mon|Tue|Wed|Thu|Fri|Sat|Sun|not to be said)/m)
    expect(Object.keys((await json('plan')).finishes)).toEqual(['slow'])
  })
})

describe('a policy that is changed', () => {
  it('has other windows, another priority and another adapter from then on', async () => {
    const windows = ['--windows', 'daily 08:00-12:00', '--zone', 'UTC']
    const { out } = await run('serve', 'change', 'house', ...windows, '--priority', '-3')
    expect(out).toMatch(
      /^Serving policy house from now on:\n[\s\S]*wanted daily 08:00-12:00 UTC; priority -3/,
    )
    const changed = await json('serve', 'change', 'house', '--adapter', 'support-2')
    expect(changed).toMatchObject({
      adapter: { run: 'support-2' },
      priority: -3,
      windows: [{ fromHour: 8, toHour: 12 }],
    })
    expect((await run('serve', 'logs', 'house')).out).toMatch(
      /house is changed: wanted daily 08:00-12:00 UTC, priority -3\n.*house is changed: its next sessions serve adapter/,
    )
    expect((await run('serve', 'change', 'house')).err).toContain('nothing is to be changed')
    const { out: told } = await run('serve', 'change', 'house', '--new-key')
    const key = /next nodes, shown this once: (rzk_[\w-]{43})\n/.exec(told)?.[1] ?? ''
    expect(await json('serve', 'show', 'house')).toMatchObject({ keySha256: sha256Hex(key) })
    expect((await run('serve', 'logs', 'house')).out).toMatch(
      /its next sessions have another key\n$/,
    )
    expect((await run('serve', 'change', 'house', '--adapter', 'rehearsal')).status).toBe(2)
  })
})

describe('an adapter that is served', () => {
  it('stays: neither its run nor its files are removed', async () => {
    expect(await run('train', 'rm', 'support-2')).toMatchObject({
      status: 1,
      err: expect.stringMatching(
        /the adapter of support-2 is in use: the serving policy house serves it \(adapter_in_use\)\n.*serve change house/,
      ),
    })
    const file = join(
      service.folder,
      'store/runs/run_support-2/artifacts/candidate-g1/manifest.json',
    )
    utimesSync(file, 1, 1)
    expect(await json('store', 'gc')).toMatchObject({ files: 0 })
    expect(existsSync(file)).toBe(true)
  })
})

describe('a policy that is stopped', () => {
  it('is so at once where nothing of it lives, then removed, and its adapter with its run after it', async () => {
    expect(await run('serve', 'rm', 'house')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/policy_open[\s\S]*rodizio serve stop house/),
    })
    expect((await run('serve', 'stop', 'house')).out).toBe(
      'Serving policy house: no session of it is live: it is stopped.\n',
    )
    expect(await json('serve', 'show', 'house')).toMatchObject({ state: 'stopped', outlook: null })
    expect((await run('serve', 'stop', 'house')).err).toContain('policy_over')
    expect((await run('serve', 'change', 'house', '--priority', '1')).err).toContain('policy_over')
    expect((await run('serve', 'rm', 'house', '--dry-run')).out).toMatch(
      /^Nothing was removed\. With serving policy house would go:\n {2}0 sessions, \d events/,
    )
    expect((await run('serve', 'rm', 'house')).out).toMatch(/^Removed serving policy house:/)
    expect((await run('serve', 'show', 'house')).status).toBe(3)
    expect((await run('train', 'rm', 'support-2')).err).toContain('the serving policy office')
    await run('serve', 'stop', 'office')
    expect((await run('train', 'rm', 'support-2')).status).toBe(0)
  })

  it('ends with its last session, which says what it does', async () => {
    await run('serve', 'add', 'late', '--adapter', 'support')
    const { id } = await json('serve', 'show', 'late')
    const db = openSqlite(join(service.folder, 'rodizio.db'))
    await db.run(
      `insert into sessions (id, run_id, generation, name, account, provider, state, ticket_hash, planned_seconds,
         heartbeat_seconds, from_step, to_step, created_at, launched_at, enrolled_at, serves)
       values ('ses_late', $1, 1, 'late-g1', 'here', 'local', 'running', 't', 3600, 60, 0, 0, $2, $2, $2, 1)`,
      id,
      new Date().toISOString(),
    )
    await db.close()
    expect((await run('serve', 'list')).out).toMatch(/^late +open .* 1 +0/m)
    expect((await run('sessions', '--open')).out).toMatch(
      /^late +1 +here \(local\) +running +serves/m,
    )
    expect((await run('accounts', 'accept', 'here', '--serving', '--revoke')).out).toContain(
      'Its 1 serving session goes on to its end',
    )
    expect((await run('accounts', 'rm', 'here')).err).toMatch(
      /session 1 of serving policy late[\s\S]*rodizio serve stop late/,
    )
    expect((await run('serve', 'stop', 'late')).out).toBe(
      'Serving policy late: session 1 on here ends the answers that are under way and stops at its next heartbeat, within 60 s.\n',
    )
    expect(await json('serve', 'show', 'late')).toMatchObject({ state: 'stopping', live: 1 })
    expect((await run('serve', 'rm', 'late')).err).toMatch(
      /policy_open[\s\S]*sessions --open --run late/,
    )
  })
})
