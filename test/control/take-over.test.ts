import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readLastGenerations } from '../../src/store/load-state.ts'
import { HOUR } from '../store/fixture.ts'
import { body, deskWorld, file, nonce, reportOf, secretOf, stream } from './desk-world.ts'

const other = 'nonce-of-another-process'
const person = { provider: 'colab', automation: 'person' } as const
const fenced = { kind: 'conflict', code: 'fenced' }
const dead = { kind: 'unauthorized', code: 'token_unknown' }
const beat = (step: number) => ({
  step,
  phase: 'train',
  history: [[step, 2 - step / 100, 0.1] as const],
})

/** A session that a person started, with a checkpoint at step 10, ten steps further by now. */
async function trained() {
  const world = await deskWorld(person)
  const first = await world.enrolled()
  await world.commit(first, 10)
  world.clock.advance(600)
  await world.desk.heartbeat(first.token, beat(20))
  /** Run all again, in another process. */
  const again = async (by = other) => {
    const { sessionToken, workOrder } = await world.desk.enrol(first.ticket, by)
    return { ...first, generation: workOrder.session.generation, token: sessionToken, workOrder }
  }
  const eventsOf = async (kind: string) =>
    (await world.look.events(0, 200)).filter((event) => event.kind === kind)
  return {
    ...world,
    first,
    again,
    eventsOf,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

describe('Run all pressed again in another process', () => {
  it('is the same session, one generation on, from the furthest checkpoint', async () => {
    await using world = await trained()
    const second = await world.again()
    expect(second.workOrder).toMatchObject({
      session: { id: world.first.id, generation: 2 },
      secondsLeft: HOUR - 600,
      resume: { step: 10, generation: 1 },
    })
    expect(await world.look.run('one')).toMatchObject({ generation: 2 })
    const [session, ...rest] = await world.look.sessionsOf('run_one')
    expect(rest).toEqual([])
    // The name is the one under which the provider was given it; it was made with the generation of the launch.
    expect(session).toMatchObject({
      generation: 2,
      name: expect.stringMatching(/-g1$/),
      state: 'running',
      fromStep: 0,
      toStep: 10,
      lastCheckpointStep: 10,
    })
    expect(await world.eventsOf('session.taken_over')).toMatchObject([
      { data: { run: 'one', before: 1, generation: 2, step: 10, lostSteps: 10 } },
    ])
    expect(await world.eventsOf('session.enrolled')).toHaveLength(1)
  })

  it('leaves the older process a dead token and spent addresses', async () => {
    await using world = await trained()
    const { first } = world
    const opened = await world.uploads.open(first.token, 'checkpoint', 20, [file])
    await world.again()
    const { text, sha256 } = world.manifestOf(first, 20)
    await expect(world.desk.heartbeat(first.token, beat(21))).rejects.toMatchObject(dead)
    await expect(world.desk.report(first.token, reportOf('limit', 21))).rejects.toMatchObject(dead)
    await expect(world.desk.workOrder(first.token)).rejects.toMatchObject(dead)
    await expect(world.uploads.open(first.token, 'checkpoint', 21, [file])).rejects.toMatchObject(
      dead,
    )
    await expect(
      world.uploads.commit(first.token, opened.uploadId, text, sha256),
    ).rejects.toMatchObject(dead)
    const spent = { code: 'url_spent' }
    const upload = secretOf(opened.files[0]?.url ?? '')
    await expect(world.urls.receive(upload, stream(body))).rejects.toMatchObject(spent)
    const download = secretOf(first.workOrder.data?.files[0]?.url ?? '')
    await expect(world.urls.open(download)).rejects.toMatchObject(spent)
  })

  it('fences off what the older process had sent a moment before: the rule is kept in the transaction', async () => {
    await using world = await trained()
    const { first, gate } = world
    const opened = await world.uploads.open(first.token, 'checkpoint', 20, [file])
    const upload = await gate.upload(opened.uploadId)
    if (!upload) throw new Error('no upload')
    await world.again()
    const state = async () => ({
      runs: await world.db.all('select * from runs'),
      sessions: await world.db.all('select * from sessions'),
      uploads: await world.db.all('select * from uploads'),
      checkpoints: await world.db.all('select * from checkpoints'),
      metrics: await world.db.all('select * from metrics'),
    })
    const before = await state()
    const held = { id: first.id, generation: 1 }
    expect(await gate.heartbeat(held, beat(30))).toMatchObject({
      order: 'fenced',
      reason: 'generation 2 has the run now',
    })
    await expect(gate.report(held, reportOf('failed', 30))).rejects.toMatchObject(fenced)
    await expect(gate.openUpload({ ...upload, step: 30 })).rejects.toMatchObject(fenced)
    const files = { manifestSha256: 'x', bytes: 1, label: null, metrics: {} }
    await expect(gate.commit(upload, files)).rejects.toMatchObject(fenced)
    expect(await state()).toEqual(before)
  })

  it('has checkpoints of its own: an upload that the older process began is not gone on with', async () => {
    await using world = await trained()
    const old = await world.uploads.open(world.first.token, 'checkpoint', 20, [file])
    await world.urls.receive(secretOf(old.files[0]?.url ?? ''), stream(body))
    const second = await world.again()
    const opened = await world.uploads.open(second.token, 'checkpoint', 20, [file])
    expect(opened.uploadId).not.toBe(old.uploadId)
    expect(opened.files[0]?.url).not.toBeNull()
    const { text, sha256 } = world.manifestOf(second, 20)
    await expect(
      world.uploads.commit(second.token, old.uploadId, text, sha256),
    ).rejects.toMatchObject({ kind: 'not-found' })
    await world.commit(second, 20)
    expect((await world.look.checkpoints('run_one')).map((c) => [c.step, c.generation])).toEqual([
      [10, 1],
      [20, 2],
    ])
    // What the older process had sent is nobody's, and swept away, though its session still runs.
    await world.uploads.open(second.token, 'checkpoint', 30, [file])
    await world.checkpoints.sweep()
    expect(readdirSync(join(world.root, 'runs/run_one/checkpoints')).toSorted()).toEqual([
      '10-g1',
      '20-g2',
    ])
  })

  it('goes on from what the older process committed just before', async () => {
    await using world = await trained()
    await world.commit(world.first, 20)
    expect((await world.again()).workOrder.resume).toMatchObject({ step: 20, generation: 1 })
    expect(await world.eventsOf('session.taken_over')).toMatchObject([{ data: { lostSteps: 0 } }])
  })

  it('shown again by that process changes nothing more, and the older one never gets back in', async () => {
    await using world = await trained()
    await world.again()
    const repeated = await world.again()
    expect(repeated.generation).toBe(2)
    // A request of the first process that was long on its way.
    await expect(world.again(nonce)).rejects.toMatchObject(fenced)
    expect(await world.look.run('one')).toMatchObject({ generation: 2 })
    expect((await world.desk.heartbeat(repeated.token, beat(11))).order).toBe('continue')
    expect((await world.again('a-third-process')).generation).toBe(3)
    for (const old of [nonce, other]) await expect(world.again(old)).rejects.toMatchObject(fenced)
    expect(await world.eventsOf('session.taken_over')).toHaveLength(2)
  })

  it('is one booking, charged from the first start to the end', async () => {
    await using world = await trained()
    const before = await world.store.ledgerRows('ana', new Date(0))
    const second = await world.again()
    expect(await world.store.ledgerRows('ana', new Date(0))).toEqual(before)
    world.clock.advance(300)
    await world.commit(second, 40)
    await world.desk.report(second.token, reportOf('limit', 40))
    const rows = await world.store.ledgerRows('ana', new Date(0))
    expect(rows.map(({ kind, gpuSeconds }) => [kind, gpuSeconds]).toSorted()).toEqual([
      ['release', -HOUR],
      ['reserve', HOUR],
      ['settle', 900],
    ])
    expect((await world.look.sessionsOf('run_one'))[0]).toMatchObject({ usedSeconds: 900 })
  })

  it('leaves the turn and the next session in order', async () => {
    await using world = await trained()
    const second = await world.again()
    expect(await readLastGenerations(world.db, 'run_one')).toEqual(new Map([['ana', 2]]))
    await world.lose(second.id)
    const plan = await world.enrolled()
    expect(plan.generation).toBe(3)
    expect(plan.workOrder.resume).toMatchObject({ step: 10 })
    const names = (await world.look.sessionsOf('run_one')).map(({ name }) => name.slice(-3))
    expect(names).toEqual(['-g1', '-g3'])
    await expect(world.again('too late')).rejects.toMatchObject({ code: 'session_ended' })
  })

  it('finishes the run, which counts its sessions and not its generations', async () => {
    await using world = await trained()
    const second = await world.again()
    await world.commit(second, 100)
    await world.commit(second, 100, 'artifact')
    await world.desk.report(second.token, reportOf('finished', 100))
    expect(await world.look.artifact('run_one')).toMatchObject({ generation: 2 })
    expect(await world.eventsOf('run.completed')).toMatchObject([{ data: { sessions: 1 } }])
  })

  it('of a session without any checkpoint begins at the beginning', async () => {
    await using world = await deskWorld(person)
    const { ticket, token } = await world.enrolled()
    await world.desk.heartbeat(token, beat(7))
    const { workOrder } = await world.desk.enrol(ticket, other)
    expect(workOrder).toMatchObject({ session: { generation: 2 }, resume: null })
    expect((await world.look.sessionsOf('run_one'))[0]).toMatchObject({ fromStep: 0, toStep: 0 })
  })
})
