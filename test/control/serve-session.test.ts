import { describe, expect, it } from 'vitest'
import { serveSessionNotebook } from '../../src/control/serve-session-notebook.ts'
import { Beat } from '../../src/control/session-words.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { sourcesOf, templates } from '../notebooks/fixtures.ts'
import { accountOf, HOUR, runOf, sessionOf } from '../store/fixture.ts'
import { deskWorld, file, nonce, reportOf, stream } from './desk-world.ts'

const manifest = `${JSON.stringify({
  format: 1,
  kind: 'artifact',
  run: 'run_two',
  session: 'ses_0',
  generation: 3,
  step: 60,
  targetSteps: 60,
  epoch: 1,
  engine: 'trl',
  label: 'candidate',
  plan: { base: 'owner/base', revision: 'c1', quantization: 'nf4', loraRank: 16 },
  env: {},
  metrics: {},
  files: [{ ...file, name: 'adapter_model.safetensors' }],
})}\n`
const adapter = sha256Hex(manifest)
const plan = {
  engine: 'serve',
  adapter,
  base: 'owner/base',
  revision: 'c1',
  quantization: 'nf4',
  keySha256: 'b'.repeat(64),
  reach: 'relay',
  maxTokens: 512,
}
const policy = runOf('nights', {
  engine: 'serve',
  plan,
  datasetVersion: 'none',
  targetSteps: 0,
  serving: { windows: 'always', overlapSeconds: 600 },
})
const url = 'https://one.example'
const beat = (node: object | null, phase = 'serve') => ({
  step: 0,
  phase,
  history: [],
  node: node && { ready: true, url, adapter, freeVramBytes: null, ...node },
})

/** The desks with a policy, whose adapter is in the store. */
async function policyWorld(ofAccounts: Parameters<typeof deskWorld>[0] = {}) {
  const world = await deskWorld(ofAccounts)
  await insertRun(world.db, policy)
  const prefix = 'runs/run_two/artifacts/candidate-g3'
  const size = { bytes: Buffer.byteLength(manifest), sha256: adapter }
  await world.artifacts.receive(`${prefix}/manifest.json`, stream(manifest), size)
  await world.db.run(
    `insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, metrics, committed_at)
     values ('run_two', 'candidate', 60, 3, $1, '1', '{}', $2)`,
    adapter,
    world.clock.now().toISOString(),
  )
  return Object.assign(world, {
    sessions: async () => world.look.sessionsOf(policy.id),
    told: async (prefixOfKind: string) =>
      (await world.look.events(0, 200)).filter(({ kind }) => kind.startsWith(prefixOfKind)),
  })
}

describe('a session of a policy', () => {
  it('is given the adapter, the base and nothing to train on', async () => {
    await using world = await policyWorld()
    const { workOrder, token } = await world.enrolled('nights')
    expect(workOrder).toMatchObject({
      protocol: 1,
      engine: 'serve',
      plan,
      run: { name: 'nights', targetSteps: 0 },
      data: null,
      base: null,
      resume: null,
      earlier: [],
      secondsLeft: HOUR,
      adapter: { sha256: adapter },
    })
    expect(workOrder.adapter?.files.map(({ name }) => name)).toEqual([
      'manifest.json',
      'adapter_model.safetensors',
    ])
    expect((await world.desk.workOrder(token)).adapter?.sha256).toBe(adapter)
  })

  it.each([
    ['kaggle', null, 'relay'],
    ['colab', null, 'relay'],
    ['local', null, 'local'],
    ['local', 'relay', 'relay'],
    ['kaggle', 'local', 'local'],
    ['kaggle', 'tunnel', 'tunnel'],
  ] as const)('at %s under a plan that says %s is told %s', async (provider, said, told) => {
    await using world = await policyWorld({ provider })
    const stored = { ...plan, reach: said }
    await world.db.run(
      'update runs set plan = $1 where name = $2',
      JSON.stringify(stored),
      'nights',
    )
    const { workOrder } = await world.enrolled('nights')
    expect(workOrder.plan).toEqual({ ...plan, reach: told })
  })

  it('can ask for its order anew while its successor is there', async () => {
    await using world = await policyWorld()
    const first = await world.enrolled('nights')
    await world.enrolled('nights')
    expect((await world.desk.workOrder(first.token)).session.generation).toBe(1)
  })

  it('whose adapter is gone does not begin', async () => {
    await using world = await policyWorld()
    await world.artifacts.remove('runs/run_two')
    await expect(world.enrolled('nights')).rejects.toMatchObject({ code: 'adapter_gone' })
  })

  it('stores nothing', async () => {
    await using world = await policyWorld()
    const { token } = await world.enrolled('nights')
    for (const kind of ['checkpoint', 'artifact'] as const)
      await expect(world.uploads.open(token, kind, 0, [file])).rejects.toMatchObject({
        kind: 'invalid',
      })
  })
})

describe('a node', () => {
  it('is known from its first word that it is ready, told of once, and of its moves', async () => {
    await using world = await policyWorld()
    const { token, id } = await world.enrolled('nights')
    await world.desk.heartbeat(token, beat(null, 'install'))
    await world.desk.heartbeat(token, beat({ ready: false, adapter: null, url: null }, 'load'))
    expect((await world.sessions())[0]).toMatchObject({ node: null, trainingAt: null })
    world.clock.advance(300)
    const readyAt = world.clock.now()
    await world.desk.heartbeat(token, beat({}))
    world.clock.advance(60)
    await world.desk.heartbeat(token, beat({}))
    expect((await world.sessions())[0]).toMatchObject({
      id,
      node: { readyAt, url, reach: 'url', adapter },
      trainingAt: readyAt,
      state: 'running',
    })
    await world.desk.heartbeat(token, beat({ url: 'https://two.example' }))
    expect((await world.sessions())[0]?.node).toEqual({
      readyAt,
      url: 'https://two.example',
      reach: 'url',
      adapter,
      tunnel: null,
    })
    expect(await world.told('node.')).toMatchObject([
      { kind: 'node.ready', data: { run: 'nights', account: 'ana', url, secondsToReady: 300 } },
      { kind: 'node.moved', data: { run: 'nights', account: 'ana', url: 'https://two.example' } },
    ])
    expect(await world.told('session.training')).toEqual([])
  })

  it('says by which way it is reached, and of its turn it is told', async () => {
    await using world = await policyWorld()
    const { token } = await world.enrolled('nights')
    const reached = async () => (await world.sessions())[0]?.node
    await world.desk.heartbeat(token, beat({ url: null, reach: 'relay' }))
    expect(await reached()).toMatchObject({ reach: 'relay', url: null })
    await world.desk.heartbeat(token, beat({ url: null, reach: 'relay' }))
    await world.desk.heartbeat(token, beat({ url: null, reach: 'local' }))
    expect(await reached()).toMatchObject({ reach: 'local', url: null })
    expect(await world.told('node.')).toMatchObject([
      { kind: 'node.ready', data: { reach: 'relay', url: null } },
      { kind: 'node.moved', data: { reach: 'local', url: null } },
    ])
  })

  it.each([
    ['an address', url, 'url'],
    ['none', null, 'local'],
  ] as const)(
    'whose way nobody has told or stored, with %s, is reached so',
    async (_what, at, reach) => {
      await using world = await policyWorld()
      const { token } = await world.enrolled('nights')
      await world.desk.heartbeat(token, beat({ url: at }))
      expect((await world.sessions())[0]?.node?.reach).toBe(reach)
      await world.db.run('update sessions set node_reach = null') // as rows from before have it
      expect((await world.sessions())[0]?.node?.reach).toBe(reach)
    },
  )

  it('that hangs is none until it answers again, and its start stays what it was', async () => {
    await using world = await policyWorld()
    const { token } = await world.enrolled('nights')
    await world.desk.heartbeat(token, beat({}))
    const { trainingAt } = (await world.sessions())[0] ?? {}
    world.clock.advance(60)
    await world.desk.heartbeat(token, beat({ ready: false }))
    expect((await world.sessions())[0]).toMatchObject({ node: null, endedAt: null })
    world.clock.advance(60)
    await world.desk.heartbeat(token, beat({}))
    expect((await world.sessions())[0]).toMatchObject({
      node: { readyAt: world.clock.now() },
      trainingAt,
    })
    expect(await world.told('node.')).toMatchObject([
      { data: { secondsToReady: 0 } },
      { kind: 'node.ready', data: { secondsToReady: null } },
    ])
  })

  it('is none when its session has ended, or was started again by its person', async () => {
    await using world = await policyWorld({ automation: 'person', provider: 'colab' })
    const first = await world.enrolled('nights')
    await world.desk.heartbeat(first.token, beat({}))
    const again = await world.desk.enrol(first.ticket, 'nonce-of-another-process')
    expect((await world.sessions())[0]).toMatchObject({ node: null, endedAt: null })
    await world.desk.heartbeat(again.sessionToken, beat({}))
    await world.lose(first.id)
    expect((await world.sessions())[0]).toMatchObject({ node: null, outcome: 'lost' })
  })

  it('of a training is not taken up', async () => {
    await using world = await policyWorld()
    const { token } = await world.enrolled('one')
    await world.desk.heartbeat(token, beat({}))
    expect((await world.look.sessionsOf('run_one'))[0]).toMatchObject({
      node: null,
      trainingAt: null,
    })
  })

  it.each([
    ['a plain address', { url: 'http://10.0.0.7:8000/v1' }, true],
    ['no address', { url: null }, true],
    ['none given', { url: undefined }, true],
    ['another scheme', { url: 'ftp://one.example' }, false],
    ['a script', { url: 'javascript:alert(1)' }, false],
    ['a name and a password', { url: 'https://ana:secret@one.example' }, false],
    ['a name alone', { url: 'https://ana@one.example' }, false],
    ['a line of its own', { url: 'https://one.example/\nSet-Cookie: a=b' }, false],
    ['a blank at its end', { url: 'https://one.example ' }, false],
    ['no host', { url: 'https://' }, false],
    ['no text', { url: 7 }, false],
    ['300 characters', { url: `https://one.example/${'a'.repeat(280)}` }, true],
    ['more than that', { url: `https://one.example/${'a'.repeat(281)}` }, false],
    ['an adapter that is no hash', { adapter: 'latest' }, false],
    ['a way that nobody knows', { reach: 'ngrok' }, false],
    ['memory below nothing', { freeVramBytes: -1 }, false],
    ['readiness that is none', { ready: 'yes' }, false],
    ['a tunnel that is down', { tunnel: 'down' }, true],
    ['no word of a tunnel', { tunnel: null }, true],
    ['a tunnel that is neither', { tunnel: 'perhaps' }, false],
    ['three restarts', { restarts: 3 }, true],
    ['half a restart', { restarts: 0.5 }, false],
    ['restarts below nothing', { restarts: -1 }, false],
  ])('with %s: %j', (_what, node, isTaken) => {
    const said = Beat.safeParse(beat(node))
    expect(said.success).toBe(isTaken)
  })

  it('is nothing that a heartbeat must have', () => {
    expect(Beat.parse({ step: 1 }).node).toBeNull()
  })
})

describe('of two sessions of a policy', () => {
  const two = async () => {
    const world = await policyWorld()
    const older = await world.enrolled('nights')
    await world.desk.heartbeat(older.token, beat({}))
    world.clock.advance(1800)
    const newer = await world.enrolled('nights')
    const orderOf = async ({ token }: { token: string }, node: object | null = {}) =>
      (await world.desk.heartbeat(token, beat(node))).order
    return Object.assign(world, { older, newer, orderOf })
  }

  it('the older goes on until the newer is ready, and is told to stop then', async () => {
    await using world = await two()
    expect(await world.orderOf(world.older)).toBe('continue')
    expect(await world.orderOf(world.newer, { ready: false })).toBe('continue')
    expect(await world.orderOf(world.older)).toBe('continue')
    expect(await world.orderOf(world.newer)).toBe('continue')
    expect(await world.desk.heartbeat(world.older.token, beat({}))).toMatchObject({
      order: 'stop',
      reason: 'generation 2 answers in its place',
    })
    expect((await world.sessions()).map(({ state }) => state)).toEqual(['stopping', 'running'])
    expect(await world.orderOf(world.newer)).toBe('continue')
    await world.desk.report(world.older.token, reportOf('stopped', 0))
    expect(await world.orderOf(world.newer)).toBe('continue')
  })

  it('the older goes on when the newer dies before it was told', async () => {
    await using world = await two()
    await world.orderOf(world.newer)
    const failure = { class: 'notebook_bug' as const, message: 'it died', line: null }
    await world.desk.report(world.newer.token, reportOf('failed', 0, { failure }))
    expect(await world.orderOf(world.older)).toBe('continue')
    expect((await world.sessions())[0]?.state).toBe('running')
  })

  it('and when the newer hangs, or falls silent', async () => {
    await using world = await two()
    await world.orderOf(world.newer)
    await world.orderOf(world.newer, { ready: false })
    expect(await world.orderOf(world.older)).toBe('continue')
    await world.orderOf(world.newer)
    world.clock.advance(181)
    expect(await world.orderOf(world.older)).toBe('continue')
    await world.orderOf(world.newer)
    expect(await world.orderOf(world.older)).toBe('stop')
  })
})

describe('the report of a session that serves', () => {
  it.each([
    ['limit', 'limit', null],
    ['stopped', 'cancelled', null],
    ['failed', 'failed', { class: 'out_of_memory' as const, message: 'no memory', line: null }],
  ] as const)(
    '%s ends it as %s, charges its time and leaves the policy open',
    async (said, outcome, failure) => {
      await using world = await policyWorld()
      const { token, id } = await world.enrolled('nights')
      await world.desk.heartbeat(token, beat({}))
      world.clock.advance(600)
      await world.desk.report(token, reportOf(said, 0, { failure, logTail: 'its last words' }))
      expect((await world.sessions())[0]).toMatchObject({
        id,
        outcome,
        state: 'ended',
        usedSeconds: 600,
        reason: failure ? 'no memory' : expect.any(String),
        logTail: failure ? 'its last words' : null,
      })
      const run = await world.look.run('nights')
      expect(run).toMatchObject({ state: 'training', endedAt: null, failures: failure ? 1 : 0 })
      expect((await world.desk.heartbeat(token, beat({}))).order).toBe('fenced')
    },
  )

  it('cannot be that it is finished', async () => {
    await using world = await policyWorld()
    const { token } = await world.enrolled('nights')
    await expect(world.desk.report(token, reportOf('finished', 0))).rejects.toMatchObject({
      code: 'incomplete',
    })
  })

  it('no_gpu holds its account', async () => {
    await using world = await policyWorld()
    const { token } = await world.enrolled('nights')
    const failure = { class: 'no_gpu' as const, message: 'no GPU', line: null }
    await world.desk.report(token, reportOf('failed', 0, { failure }))
    expect(await world.told('account.held')).toMatchObject([{ data: { account: 'ana' } }])
  })
})

describe('its notebook', () => {
  const session = (provider: 'kaggle' | 'local') =>
    sessionOf({ provider, plannedSeconds: 2 * HOUR })
  const way = { controlUrl: 'https://rodizio.example', ticket: 'rzt_x' }
  const facts = {
    run: 'run_two',
    step: 60,
    base: 'owner/base',
    revision: 'c1',
    quantization: 'nf4' as const,
    loraRank: 16,
  }
  const cellsOf = (provider: 'kaggle' | 'local', emulated = false) =>
    sourcesOf(
      serveSessionNotebook(
        policy,
        session(provider),
        accountOf('ana', { emulated }),
        way,
        facts,
        templates,
      ),
    )

  it('tells whose adapter it serves, and carries a ticket and no key', () => {
    const [header, parameters] = cellsOf('kaggle').map(({ source }) => source)
    expect(header).toContain('serving policy **nights** on kaggle, generation 1')
    expect(header).toContain(`run_two, step 60 (manifest ${adapter.slice(0, 12)}…)`)
    expect(header).toContain('2 h, then it ends by itself')
    expect(parameters).toContain("TICKET = 'rzt_x'")
    expect(parameters).toContain("ENGINE = 'serve'")
    expect(parameters).toContain("SEALED = ''")
    expect(cellsOf('kaggle').some(({ source }) => source.includes(plan.keySha256))).toBe(false)
  })

  it.each([
    ['kaggle', false, 'True'],
    ['kaggle', true, 'False'],
    ['local', false, 'False'],
  ] as const)('at %s, emulated %s, asks for a GPU: %s', (provider, emulated, wanted) => {
    expect(cellsOf(provider, emulated)[1]?.source).toMatch(
      new RegExp(`^REQUIRE_GPU = ${wanted}\\b`, 'm'),
    )
  })

  it('tells of the adapter what its manifest says, and nothing where that is not whole', async () => {
    await using world = await policyWorld()
    expect(await world.adapters.facts(adapter)).toEqual(facts)
    expect(await world.adapters.facts('c'.repeat(64))).toBeNull()
    await world.artifacts.remove('runs/run_two')
    expect(await world.adapters.facts(adapter)).toBeNull()
  })
})

it('a nonce of its own lets nobody in twice where no person starts sessions', async () => {
  await using world = await policyWorld()
  const { ticket } = await world.enrolled('nights')
  expect((await world.desk.enrol(ticket, nonce)).workOrder.engine).toBe('serve')
  await expect(world.desk.enrol(ticket, 'nonce-of-another')).rejects.toMatchObject({
    code: 'ticket_used',
  })
})
