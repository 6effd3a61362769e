import { describe, expect, it } from 'vitest'
import { startRun, type WantedRun } from '../../src/control/start-run.ts'
import { planFor } from '../../src/notebooks/plan.ts'
import { reads } from '../../src/store/reads.ts'
import { runBook } from '../../src/store/run-book.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { freshDatabase, runOf, seed, start } from '../store/fixture.ts'

async function opened() {
  const fresh = await freshDatabase()
  await seed(fresh.db, [], [])
  const look = reads(fresh.db)
  const book = runBook(fresh.db, () => new Date(start))
  const ports = {
    dataset: look.dataset,
    runNamed: look.run,
    artifact: look.artifact,
    insertRun: book.insertRun,
    now: () => new Date(start),
  }
  return {
    db: fresh.db,
    look,
    book,
    ports,
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

const wanted: WantedRun = {
  dataset: 'one',
  engine: 'dry',
  seed: 7,
  plan: {},
  options: {},
}

describe('a run that is started', () => {
  it.each([
    ['as many steps as an epoch takes, the last batch in full', {}, 4], // 100 rows by 2 × 16
    ['as many as so many epochs take', { epochs: 3 }, 10],
    ['as many as a part of an epoch takes', { epochs: 0.1 }, 1],
    ['by the batch of its plan', { plan: { batchSize: 1, accumulation: 1 } }, 100],
    ['as many as were asked for', { steps: 7 }, 7],
  ])('has %s', async (_why, changes, steps) => {
    await using world = await opened()
    const run = await startRun(world.ports, { ...wanted, ...changes }, false)
    expect(run).toMatchObject({ targetSteps: steps, state: 'queued', datasetVersion: 'ds_one' })
    expect(run.plan).toMatchObject({ targetSteps: steps, seed: 7, engine: 'dry' })
    expect(await world.look.run(run.name)).toEqual(run)
  })

  it('keeps defaults for what was not said, and believes a person who wants short sessions', async () => {
    await using world = await opened()
    const options = { saveSteps: undefined, sessionSeconds: 20 }
    const run = await startRun(world.ports, { ...wanted, options }, true)
    expect(run.options).toMatchObject({ saveSteps: 500, sessionSeconds: 20, minSessionSeconds: 20 })
    expect(await world.look.run(run.id)).toBeUndefined()
  })

  it('with an id that stands is that run', async () => {
    await using world = await opened()
    const first = await startRun(world.ports, { ...wanted, id: 'run_x' }, false)
    expect(await startRun(world.ports, { ...wanted, id: 'run_x', steps: 9 }, false)).toEqual(first)
  })
})

describe('a smoke run', () => {
  it('has five steps, three of them in its first session, and says what it is', async () => {
    await using world = await opened()
    const run = await startRun(world.ports, { ...wanted, smoke: true }, false)
    const stored = await world.look.run(run.name)
    expect(stored).toMatchObject({
      targetSteps: 5,
      plan: { targetSteps: 5 },
      options: { smoke: true, sessionSteps: 3, sessionSeconds: 1800, minSessionSeconds: 600 },
    })
  })

  it.each([
    ['steps', { steps: 9 }, '--steps'],
    ['epochs', { epochs: 1 }, '--epochs'],
    ['the length of sessions', { options: { sessionSeconds: 60 } }, '--session-max'],
    ['when to save', { options: { saveSeconds: 60 } }, '--save-every'],
    ['several at once', { steps: 9, options: { saveSteps: 1 } }, '--steps, saveSteps'],
  ])('decides %s itself', async (_what, changes, named) => {
    await using world = await opened()
    const contradicted = { ...wanted, smoke: true, ...changes }
    await expect(startRun(world.ports, contradicted, false)).rejects.toMatchObject({
      kind: 'invalid',
      code: 'smoke_contradicted',
      message: expect.stringMatching(new RegExp(`with ${named}$`)),
    })
    expect((await world.look.runs(10, undefined)).items).toEqual([])
  })

  it('takes what does not contradict it', async () => {
    await using world = await opened()
    const changes = { options: { heartbeatSeconds: 5, saveSteps: undefined } }
    const run = await startRun(world.ports, { ...wanted, smoke: true, ...changes }, true)
    expect(run.options).toMatchObject({ heartbeatSeconds: 5, saveSteps: 500, smoke: true })
  })

  it('is not what a run of an earlier program is, whose options know nothing of it', async () => {
    await using world = await opened()
    const old = await startRun(world.ports, { ...wanted, name: 'old' }, false)
    const { smoke: _smoke, sessionSteps: _steps, ...fewer } = old.options
    await world.db.run('update runs set options = $1', JSON.stringify(fewer))
    expect((await world.look.run('old'))?.options).toEqual(old.options)
  })
})

describe('a run of trl', () => {
  it('tells its base and how that is quantized, where there is a base', async () => {
    await using world = await opened()
    const plan = { base: '/base', targets: ['q_proj'] }
    await startRun(world.ports, { ...wanted, engine: 'trl', plan }, false)
    const [event] = await world.look.events(0, 10)
    expect(event?.data).toMatchObject({ engine: 'trl', base: '/base', quantization: 'nf4' })
  })
})

describe('a base that is not known', () => {
  it('begins no run', async () => {
    await using world = await opened()
    const plan = { base: 'gpt-2' }
    await expect(
      startRun(world.ports, { ...wanted, engine: 'trl', plan }, false),
    ).rejects.toMatchObject({ code: 'unknown_base' })
    expect((await world.look.runs(10, undefined)).items).toEqual([])
  })
})

describe('the engine unsloth', () => {
  it('is refused beside the emulators, which have no GPU, but for a dry run', async () => {
    await using world = await opened()
    const ports = { ...world.ports, emulated: true }
    const fast: WantedRun = { ...wanted, engine: 'unsloth' }
    await expect(startRun(ports, fast, false)).rejects.toMatchObject({ code: 'no_gpu_here' })
    expect((await world.look.runs(10, undefined)).items).toEqual([])
    expect((await startRun(ports, fast, true)).engine).toBe('unsloth')
    expect((await startRun(world.ports, fast, false)).engine).toBe('unsloth')
    expect((await startRun(ports, { ...wanted, engine: 'trl' }, false)).engine).toBe('trl')
  })
})

describe('a request with a key', () => {
  it('is done once, also when it arrives several times at once', async () => {
    await using world = await opened()
    const send = () =>
      world.book.once('key', 'request', async () =>
        JSON.stringify(await startRun(world.ports, { ...wanted, id: 'run_x' }, false)),
      )
    const answers = await Promise.all([send(), send(), send()])
    expect(new Set(answers).size).toBe(1)
    expect(await send()).toBe(answers[0])
    expect((await world.look.runs(10, undefined)).items).toHaveLength(1)
  })

  it('that failed may be sent again', async () => {
    await using world = await opened()
    const failing = world.book.once('key', 'request', () => Promise.reject(new Error('no')))
    await expect(failing).rejects.toThrow('no')
    expect(await world.book.once('key', 'request', async () => 'yes')).toBe('yes')
  })

  it('of another request is refused, at the same time as well', async () => {
    await using world = await opened()
    const [first, second] = await Promise.allSettled([
      world.book.once('key', 'request', async () => 'yes'),
      world.book.once('key', 'another', async () => 'no'),
    ])
    expect(first).toMatchObject({ status: 'fulfilled', value: 'yes' })
    expect(second).toMatchObject({ reason: { code: 'idempotency_key_reused' } })
  })
})

describe('a stop', () => {
  it('is noted once, and refused when there is nothing to stop', async () => {
    await using world = await opened()
    const run = await startRun(world.ports, { ...wanted, name: 'one' }, false)
    await world.book.askStop('one')
    await world.book.askStop(run.id)
    const kinds = (await world.look.events(0, 10)).map(({ kind }) => kind)
    expect(kinds).toEqual(['run.started', 'run.stop_asked'])
    expect(await world.look.run('one')).toMatchObject({ state: 'stopping', stopAsked: true })
    await expect(world.book.askStop('none')).rejects.toMatchObject({ code: 'run_unknown' })
  })
})

describe('a run that goes on from the adapter of another', () => {
  const facts = { targetSteps: 9, seed: 1, dataSha256: 'd'.repeat(64) }
  const hash = 'a'.repeat(64)

  /** A finished run of the engine `trl` with rank 8, an unfinished one, and a finished one of the engine `dry`. */
  async function withAdapter() {
    const world = await opened()
    const plan = planFor('trl', { loraRank: 8 }, facts)
    for (const run of [
      runOf('before', { engine: 'trl', plan, state: 'completed' }),
      runOf('rehearsal', { plan: planFor('dry', {}, facts), state: 'completed' }),
      runOf('young', { engine: 'trl', plan, state: 'training' }),
    ]) {
      await insertRun(world.db, run)
    }
    for (const [run, label, sha256] of [
      ['run_before', 'candidate', hash],
      ['run_rehearsal', 'dry', 'b'.repeat(64)],
    ] as const) {
      await world.db.run(
        `insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, metrics, committed_at)
         values ($1, $2, 9, 3, $3, '1', '{}', $4)`,
        run,
        label,
        sha256,
        start,
      )
    }
    return world
  }
  const more: WantedRun = { ...wanted, engine: 'trl', fromAdapter: 'before' }

  it('takes over what the weights fit, and names the adapter by its hash', async () => {
    await using world = await withAdapter()
    const run = await startRun(world.ports, { ...more, plan: { learningRate: 1e-5 } }, false)
    expect(run.plan).toMatchObject({ loraRank: 8, learningRate: 1e-5, fromAdapter: hash })
    expect((await world.look.run(run.id))?.plan).toEqual(run.plan)
    expect(await world.look.artifactWith(hash)).toEqual({
      runId: 'run_before',
      label: 'candidate',
      generation: 3,
    })
    const fresh = await startRun(world.ports, { ...wanted, engine: 'trl' }, false)
    expect(fresh.plan).not.toHaveProperty('fromAdapter')
  })

  it.each([
    ['another rank', { plan: { loraRank: 16 } }, 'loraRank: the adapter of before was made with 8'],
    ['another base', { plan: { base: './elsewhere' } }, 'base: the adapter of before'],
    ['a run that nobody knows', { fromAdapter: 'nothing' }, 'there is no run nothing'],
    [
      'a run that is not done',
      { fromAdapter: 'young' },
      'young can be gone on from: it is training',
    ],
    ['a rehearsal', { fromAdapter: 'rehearsal' }, 'makes and takes no adapter'],
    ['a rehearsal of its own', { engine: 'dry' as const }, 'makes and takes no adapter'],
  ])('refuses %s', async (_why, changes, message) => {
    await using world = await withAdapter()
    await expect(startRun(world.ports, { ...more, ...changes }, false)).rejects.toThrow(message)
  })
})
