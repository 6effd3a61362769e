import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { text as asText } from '../../src/store/database.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { endSession, markLaunching } from '../store/by-hand.ts'
import { endOf, HOUR, runOf } from '../store/fixture.ts'
import { body, deskWorld, file, nonce, reportOf, secretOf, stream } from './desk-world.ts'

const beat = (step: number) => ({
  step,
  phase: 'train',
  history: [[step, 2 - step / 100, 0.1] as const],
})

describe('a ticket', () => {
  it('is exchanged for a token and the work order of its session', async () => {
    await using world = await deskWorld()
    const { token, workOrder } = await world.enrolled()
    expect(token).toMatch(/^rzs_/)
    expect(workOrder).toMatchObject({
      protocol: 1,
      run: { id: 'run_one', name: 'one', targetSteps: 100 },
      session: { generation: 1, account: 'ana', provider: 'kaggle' },
      secondsLeft: HOUR,
      heartbeatSeconds: 60,
      resume: null,
      data: { version: 'ds_one', files: [{ name: 'train.jsonl', rows: 1 }] },
      options: { saveSeconds: 900, saveSteps: 500, sessionSteps: null },
    })
  })

  it('tells a session of a smoke run after how many steps it hands over', async () => {
    await using world = await deskWorld()
    await world.db.run('update runs set options = $1', JSON.stringify({ sessionSteps: 3 }))
    const { workOrder } = await world.enrolled()
    expect(workOrder.options).toMatchObject({ sessionSteps: 3, saveSeconds: 900 })
  })

  it('shown again by the same process gets a new token, and the old one is worth nothing', async () => {
    await using world = await deskWorld()
    const first = await world.enrolled()
    const again = await world.desk.enrol(first.ticket, nonce)
    expect(again.workOrder.session).toEqual(first.workOrder.session)
    expect((await world.desk.heartbeat(again.sessionToken, beat(1))).order).toBe('continue')
    await expect(world.desk.heartbeat(first.token, beat(1))).rejects.toMatchObject({
      kind: 'unauthorized',
      code: 'token_unknown',
    })
    const enrolments = (await world.look.events(0, 100)).filter(
      (e) => e.kind === 'session.enrolled',
    )
    expect(enrolments).toHaveLength(1)
  })

  it.each([
    ['shown by another process', 'ticket', 'another-process', 'conflict', 'ticket_used'],
    ['that was never issued', 'foreign', nonce, 'unauthorized', 'ticket_unknown'],
    ['of a session that has ended', 'ended', nonce, 'conflict', 'session_ended'],
  ])('%s gets nobody in', async (_why, which, process, kind, code) => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    if (which === 'ended') await world.lose(session.id)
    const ticket = which === 'foreign' ? 'rzt_of-somebody-else' : session.ticket
    await expect(world.desk.enrol(ticket, process)).rejects.toMatchObject({ kind, code })
  })

  it('that was replaced by a later launch gets nobody in', async () => {
    await using world = await deskWorld()
    const session = await world.launched()
    await world.db.run("update sessions set state = 'launching'")
    await markLaunching(world.store, session.id, 'another hash')
    await expect(world.desk.enrol(session.ticket, nonce)).rejects.toMatchObject({
      code: 'ticket_unknown',
    })
  })
})

describe('a heartbeat', () => {
  it('is answered with an order and what is left, which never grows', async () => {
    await using world = await deskWorld()
    const { token, id } = await world.enrolled()
    world.clock.advance(600)
    const answer = await world.desk.heartbeat(token, beat(3))
    expect(answer).toEqual({
      order: 'continue',
      secondsLeft: HOUR - 600,
      heartbeatSeconds: 60,
      reason: null,
    })
    expect((await world.look.sessionsOf('run_one'))[0]).toMatchObject({
      id,
      toStep: 3,
      heardAt: world.clock.now(),
    })
    expect((await world.look.run('one'))?.step).toBe(3)
    await world.desk.enrol('rzt_ses_one_1', nonce)
    expect(await world.look.sessionsOf('run_one')).toMatchObject([
      { deadlineAt: new Date(world.clock.now().getTime() + (HOUR - 600) * 1000) },
    ])
  })

  it('keeps each loss once, however often it is sent', async () => {
    await using world = await deskWorld()
    const { token } = await world.enrolled()
    const history = [[1, 2.5, 0.1] as const, [2, 2.25, 0.1] as const]
    await world.desk.heartbeat(token, { step: 2, phase: 'train', history })
    await world.desk.heartbeat(token, { step: 2, phase: 'train', history })
    expect((await world.look.losses('run_one')).map(({ loss }) => loss)).toEqual([2.5, 2.25])
  })

  it('is told to stop when the run was asked to', async () => {
    await using world = await deskWorld()
    const { token } = await world.enrolled()
    await world.db.run('update runs set stop_asked = 1')
    expect(await world.desk.heartbeat(token, beat(1))).toMatchObject({ order: 'stop' })
    expect((await world.look.sessionsOf('run_one'))[0]?.state).toBe('stopping')
  })

  it('with a token that was never issued is refused', async () => {
    await using world = await deskWorld()
    for (const token of ['', 'rzs_nobody']) {
      await expect(world.desk.heartbeat(token, beat(1))).rejects.toMatchObject({
        code: 'token_unknown',
      })
    }
  })
})

describe('a session whose generation is over', () => {
  it('is fenced off: nothing that it sends changes anything', async () => {
    await using world = await deskWorld()
    const old = await world.enrolled()
    const opened = await world.uploads.open(old.token, 'checkpoint', 10, [file])
    const url = secretOf(opened.files[0]?.url ?? '')
    await world.lose(old.id)
    const current = await world.enrolled()
    expect(current.generation).toBe(2)
    const before = await world.db.all('select * from runs')

    const { text, sha256 } = world.manifestOf(old, 10)
    const fenced = { kind: 'conflict', code: 'fenced' }
    expect(await world.desk.heartbeat(old.token, beat(99))).toMatchObject({
      order: 'fenced',
      secondsLeft: 0,
      reason: 'generation 2 has the run now',
    })
    await world.desk.heartbeat(old.token, beat(99))
    await expect(world.desk.workOrder(old.token)).rejects.toMatchObject(fenced)
    await expect(world.uploads.open(old.token, 'checkpoint', 20, [file])).rejects.toMatchObject(
      fenced,
    )
    await expect(
      world.uploads.commit(old.token, opened.uploadId, text, sha256),
    ).rejects.toMatchObject(fenced)
    await expect(world.urls.receive(url, stream(body))).rejects.toMatchObject(fenced)
    const download = secretOf(old.workOrder.data?.files[0]?.url ?? '')
    await expect(world.urls.open(download)).rejects.toMatchObject(fenced)
    await expect(world.desk.report(old.token, reportOf('finished', 100))).rejects.toMatchObject(
      fenced,
    )
    // By its own number too, below the desk: the rule is kept in the transaction itself.
    await expect(
      world.gate.openUpload({
        ...opened,
        sessionId: old.id,
        runId: 'run_one',
        generation: 1,
        kind: 'checkpoint',
        step: 20,
        files: [file],
      }),
    ).rejects.toMatchObject(fenced)

    expect(await world.db.all('select * from runs')).toEqual(before)
    expect(await world.look.checkpoints('run_one')).toEqual([])
    expect(await world.look.losses('run_one')).toEqual([])
    const zombies = (await world.look.events(0, 100)).filter((e) => e.kind === 'zombie.fenced')
    expect(zombies).toHaveLength(1)
    expect((await world.look.sessionsOf('run_one')).map(({ state }) => state)).toEqual([
      'ended',
      'running',
    ])
  })

  it('is fenced off even while no other session has begun', async () => {
    await using world = await deskWorld()
    const { token, id } = await world.enrolled()
    await world.lose(id)
    expect(await world.desk.heartbeat(token, beat(5))).toMatchObject({ order: 'fenced' })
    await expect(world.uploads.open(token, 'checkpoint', 5, [file])).rejects.toMatchObject({
      code: 'fenced',
    })
    // A report that comes late is answered, and changes nothing.
    await world.desk.report(token, reportOf('limit', 50))
    expect((await world.look.sessionsOf('run_one'))[0]).toMatchObject({
      outcome: 'lost',
      toStep: 0,
    })
  })

  it('cannot touch the upload of another session', async () => {
    await using world = await deskWorld()
    const one = await world.enrolled('one')
    const two = await world.enrolled('two')
    const opened = await world.uploads.open(one.token, 'checkpoint', 10, [file])
    const { text, sha256 } = world.manifestOf(two, 10)
    await expect(
      world.uploads.commit(two.token, opened.uploadId, text, sha256),
    ).rejects.toMatchObject({ kind: 'not-found' })
  })
})

describe('an upload', () => {
  it('becomes a checkpoint by its manifest, and only by it', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    const { uploadId, files } = await world.uploads.open(session.token, 'checkpoint', 10, [file])
    await world.urls.receive(secretOf(files[0]?.url ?? ''), stream(body))
    expect(await world.look.checkpoints('run_one')).toEqual([])
    const { text, sha256 } = world.manifestOf(session, 10)
    const first = await world.uploads.commit(session.token, uploadId, text, sha256)
    expect(first).toEqual({ step: 10, committed: true })
    expect(await world.look.checkpoints('run_one')).toMatchObject([
      { step: 10, generation: 1, state: 'committed', manifestSha256: sha256, bytes: file.bytes },
    ])
    expect(await world.uploads.commit(session.token, uploadId, text, sha256)).toEqual(first)
    expect(await world.look.checkpoints('run_one')).toHaveLength(1)
    const told = (await world.look.events(0, 100)).filter((e) => e.kind === 'checkpoint.committed')
    expect(told).toHaveLength(1)
  })

  it('announced again has the same id, fresh URLs for what is missing and none for what stands', async () => {
    await using world = await deskWorld()
    const { token } = await world.enrolled()
    const other = { ...file, name: 'rng.json' }
    const first = await world.uploads.open(token, 'checkpoint', 10, [file, other])
    await world.urls.receive(secretOf(first.files[0]?.url ?? ''), stream(body))
    const second = await world.uploads.open(token, 'checkpoint', 10, [file, other])
    expect(second.uploadId).toBe(first.uploadId)
    expect(second.files[0]).toEqual({ name: file.name, url: null })
    expect(second.files[1]?.url).toMatch(/^http:\/\/127\.0\.0\.1:1\/v1\/transfers\/rzu_/)
    expect(second.files[1]?.url).not.toBe(first.files[1]?.url)
  })

  it('is spent by the first whole transfer, and by nothing less', async () => {
    await using world = await deskWorld()
    const { token } = await world.enrolled()
    const { files } = await world.uploads.open(token, 'checkpoint', 10, [file])
    const url = secretOf(files[0]?.url ?? '')
    const folder = join(world.root, 'runs/run_one/checkpoints/10-g1')
    for (const wrong of [stream('short'), stream(body, 'longer'), stream(body.toReversed())]) {
      await expect(world.urls.receive(url, wrong)).rejects.toMatchObject({ code: 'hash_mismatch' })
      expect(readdirSync(folder)).toEqual([])
    }
    await world.urls.receive(url, stream(body))
    await expect(world.urls.receive(url, stream(body))).rejects.toMatchObject({ code: 'url_spent' })
    expect(readdirSync(folder)).toEqual([file.name])
  })

  it('is worth nothing the other way round, nor a day later, nor guessed', async () => {
    await using world = await deskWorld()
    const { token, workOrder } = await world.enrolled()
    const { files } = await world.uploads.open(token, 'checkpoint', 10, [file])
    const up = secretOf(files[0]?.url ?? '')
    const down = secretOf(workOrder.data?.files[0]?.url ?? '')
    const unknown = { kind: 'not-found', code: 'url_unknown' }
    await expect(world.urls.open(up)).rejects.toMatchObject(unknown)
    await expect(world.urls.receive(down, stream(body))).rejects.toMatchObject(unknown)
    await expect(world.urls.open('rzu_guessed')).rejects.toMatchObject(unknown)
    world.clock.advance(24 * HOUR + 1)
    await expect(world.urls.receive(up, stream(body))).rejects.toMatchObject({ code: 'url_spent' })
  })

  it('is refused while a file is missing, and with a manifest that says something else', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    const { uploadId, files } = await world.uploads.open(session.token, 'checkpoint', 10, [file])
    const { text, sha256 } = world.manifestOf(session, 10)
    const early = world.uploads.commit(session.token, uploadId, text, sha256)
    await expect(early).rejects.toMatchObject({ code: 'incomplete' })
    await world.urls.receive(secretOf(files[0]?.url ?? ''), stream(body))
    const other = world.manifestOf(session, 11)
    await expect(
      world.uploads.commit(session.token, uploadId, other.text, other.sha256),
    ).rejects.toThrow('step is 11, not 10')
    expect(await world.look.checkpoints('run_one')).toEqual([])
  })

  it('beyond the last step of the run is refused', async () => {
    await using world = await deskWorld()
    const { token } = await world.enrolled()
    await expect(world.uploads.open(token, 'checkpoint', 101, [file])).rejects.toThrow('step 101')
  })

  it('lets old checkpoints go as new ones stand', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    for (const step of [10, 20, 30, 40, 50]) await world.commit(session, step)
    expect((await world.look.checkpoints('run_one')).map((c) => [c.step, c.state])).toEqual([
      [10, 'pruned'],
      [20, 'pruned'],
      [30, 'committed'],
      [40, 'committed'],
      [50, 'committed'],
    ])
    expect(readdirSync(join(world.root, 'runs/run_one/checkpoints')).toSorted()).toEqual([
      '30-g1',
      '40-g1',
      '50-g1',
    ])
  })
})

describe('the next session', () => {
  it('resumes at the furthest checkpoint that is whole; a damaged one is skipped and told', async () => {
    await using world = await deskWorld()
    const first = await world.enrolled()
    await world.commit(first, 10)
    await world.commit(first, 20)
    await world.lose(first.id)
    writeFileSync(join(world.root, 'runs/run_one/checkpoints/20-g1/weights.bin'), body.toReversed())
    const second = await world.enrolled()
    expect(second.workOrder.resume).toMatchObject({ step: 10, generation: 1 })
    expect(second.workOrder.resume?.files.map(({ name }) => name)).toEqual([
      'manifest.json',
      'weights.bin',
    ])
    expect((await world.look.checkpoints('run_one')).map(({ state }) => state)).toEqual([
      'committed',
      'damaged',
    ])
    expect((await world.look.sessionsOf('run_one'))[1]).toMatchObject({ fromStep: 10, toStep: 10 })
    const manifest = await world.urls.open(secretOf(second.workOrder.resume?.files[0]?.url ?? ''))
    const parts: Uint8Array[] = []
    for await (const part of await manifest.read({ from: 0, to: manifest.bytes })) parts.push(part)
    expect(JSON.parse(Buffer.concat(parts).toString())).toMatchObject({ step: 10 })
  })

  it('is told of the checkpoint before the furthest, in case that one does not arrive whole', async () => {
    await using world = await deskWorld()
    const first = await world.enrolled()
    expect(first.workOrder.earlier).toEqual([])
    for (const step of [10, 20, 30]) await world.commit(first, step)
    await world.lose(first.id)
    const { workOrder } = await world.enrolled()
    expect([workOrder.resume?.step, workOrder.earlier.map(({ step }) => step)]).toEqual([30, [20]])
    expect(workOrder.earlier[0]?.files.map(({ name }) => name)).toEqual([
      'manifest.json',
      'weights.bin',
    ])
    const url = secretOf(workOrder.earlier[0]?.files[0]?.url ?? '')
    expect((await world.urls.open(url)).bytes).toBe(workOrder.earlier[0]?.files[0]?.bytes)
    expect((await world.look.sessionsOf('run_one'))[1]).toMatchObject({ fromStep: 30 })
  })

  it('gets the adapter that its plan begins with, by the hash of its manifest', async () => {
    await using world = await deskWorld()
    const first = await world.enrolled()
    expect(first.workOrder.adapter).toBeNull()
    await world.commit(first, 100)
    await world.commit(first, 100, 'artifact')
    const artifact = await world.look.artifact('run_one')
    const fromAdapter = artifact?.manifestSha256 ?? ''
    const plan = { engine: 'dry', targetSteps: 100, seed: 7, fromAdapter }
    await insertRun(world.db, runOf('more', { plan }))
    const { workOrder } = await world.enrolled('more')
    expect(workOrder.adapter?.sha256).toBe(fromAdapter)
    expect(workOrder.adapter?.files).toMatchObject([
      { name: 'manifest.json', sha256: fromAdapter },
      { name: 'weights.bin', sha256: file.sha256 },
    ])
    const url = workOrder.adapter?.files[1]?.url ?? ''
    expect((await world.urls.open(secretOf(url))).bytes).toBe(file.bytes)
  })

  it('is told when that adapter is not there any more', async () => {
    await using world = await deskWorld()
    const plan = { engine: 'dry', targetSteps: 100, seed: 7, fromAdapter: 'c'.repeat(64) }
    await insertRun(world.db, runOf('more', { plan }))
    await expect(world.enrolled('more')).rejects.toThrow('adapter cccccccccccc is not in the store')
  })

  it('begins anew when no checkpoint is whole', async () => {
    await using world = await deskWorld()
    const first = await world.enrolled()
    await world.commit(first, 10)
    await world.lose(first.id)
    writeFileSync(join(world.root, 'runs/run_one/checkpoints/10-g1/manifest.json'), '{')
    const second = await world.enrolled()
    expect(second.workOrder.resume).toBeNull()
    expect((await world.look.sessionsOf('run_one'))[1]).toMatchObject({ fromStep: 0 })
  })

  it('may repeat a step of the one before: each generation has its own checkpoint of it', async () => {
    await using world = await deskWorld()
    const first = await world.enrolled()
    await world.commit(first, 10)
    await world.lose(first.id)
    const second = await world.enrolled()
    await world.commit(second, 10)
    expect((await world.look.checkpoints('run_one')).map((c) => [c.step, c.generation])).toEqual([
      [10, 1],
      [10, 2],
    ])
  })
})

describe('a report', () => {
  it('ends the session once; the hours it did not use are free', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    await world.commit(session, 40)
    world.clock.advance(90)
    await world.desk.report(session.token, reportOf('limit', 41))
    world.clock.advance(500)
    await world.desk.report(session.token, reportOf('failed', 41))
    expect((await world.look.sessionsOf('run_one'))[0]).toMatchObject({
      outcome: 'limit',
      usedSeconds: 90,
      toStep: 41,
      lastCheckpointStep: 40,
    })
    const rows = await world.store.ledgerRows('ana', new Date(0))
    expect(rows.reduce((s, row) => s + row.gpuSeconds, 0)).toBe(120)
    expect(await world.look.run('one')).toMatchObject({ state: 'training', failures: 0, step: 40 })
  })

  it('of a finished run is accepted only with its last checkpoint and its artifact', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    const incomplete = { kind: 'invalid', code: 'incomplete' }
    const finish = () => world.desk.report(session.token, reportOf('finished', 100))
    await expect(finish()).rejects.toMatchObject(incomplete)
    await world.commit(session, 100)
    await expect(finish()).rejects.toMatchObject(incomplete)
    await world.commit(session, 100, 'artifact')
    await finish()
    expect(await world.look.run('one')).toMatchObject({ state: 'completed' })
    expect(await world.look.artifact('run_one')).toMatchObject({ label: 'dry', step: 100 })
  })

  it('of an artifact without its last checkpoint is not accepted either', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    await world.commit(session, 90)
    await world.commit(session, 100, 'artifact')
    await expect(world.desk.report(session.token, reportOf('finished', 100))).rejects.toMatchObject(
      { code: 'incomplete' },
    )
  })

  it('without a usable GPU leaves the account alone for six hours', async () => {
    await using world = await deskWorld()
    const { token } = await world.enrolled()
    const failure = { class: 'no_gpu' as const, message: 'no GPU was granted', line: null }
    await world.desk.report(token, reportOf('failed', 0, { failure }))
    const ana = (await world.store.accounts()).find(({ name }) => name === 'ana')
    expect(ana?.holdUntil).toEqual(new Date(world.clock.now().getTime() + 6 * HOUR * 1000))
    expect((await world.look.run('one'))?.state).toBe('training')
  })

  it('of bad data fails the run with the sentence of the notebook and the end of its log', async () => {
    await using world = await deskWorld()
    const { token } = await world.enrolled()
    const failure = { class: 'bad_dataset' as const, message: 'line 7 is no chat', line: 7 }
    await world.desk.report(token, reportOf('failed', 0, { failure, logTail: 'Traceback: x' }))
    const run = await world.look.run('one')
    expect(run?.state).toBe('failed')
    expect(run?.failure).toContain('line 7 is no chat')
    expect(run?.failure).toContain('Traceback: x')
  })
})

describe('secrets', () => {
  it('are nowhere in the database: tickets, tokens, nonces and URLs only as hashes', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    const { files } = await world.uploads.open(session.token, 'checkpoint', 10, [file])
    const secrets = [
      session.ticket,
      session.token,
      nonce,
      secretOf(files[0]?.url ?? ''),
      secretOf(session.workOrder.data?.files[0]?.url ?? ''),
    ]
    await world.commit(session, 20)
    await endSession(world.store, session.id, endOf('limit'))
    const tables = await world.db.all("select name from sqlite_master where type = 'table'")
    expect(tables.length).toBeGreaterThan(10)
    for (const table of tables) {
      const rows = JSON.stringify(await world.db.all(`select * from ${asText(table, 'name')}`))
      for (const secret of secrets) expect(rows).not.toContain(secret)
    }
  })
})

describe('what a crash leaves in the store', () => {
  it('is swept away, but never a committed checkpoint nor an upload that goes on', async () => {
    await using world = await deskWorld()
    const old = await world.enrolled()
    await world.commit(old, 10)
    const lost = await world.uploads.open(old.token, 'checkpoint', 15, [file])
    await world.urls.receive(secretOf(lost.files[0]?.url ?? ''), stream(body))
    await world.lose(old.id)
    const current = await world.enrolled()
    const open = await world.uploads.open(current.token, 'checkpoint', 20, [file])
    await world.urls.receive(secretOf(open.files[0]?.url ?? ''), stream(body))
    await world.checkpoints.sweep()
    expect(readdirSync(join(world.root, 'runs/run_one/checkpoints')).toSorted()).toEqual([
      '10-g1',
      '20-g2',
    ])
  })
})

it('hands out the addresses of a gated base with the work order, and fresh ones with each new order', async () => {
  let asked = 0
  const entry = { name: 'config.json', bytes: 2, sha256: 'ab'.repeat(32) }
  await using world = await deskWorld({}, async (sessionId, plan) => {
    asked += 1
    const files = [{ ...entry, url: `http://hub/${sessionId}/${asked}` }]
    return { id: String(plan.engine), revision: 'c', files }
  })
  const { id, token, workOrder } = await world.enrolled()
  expect(workOrder.base?.files).toEqual([{ ...entry, url: `http://hub/${id}/1` }])
  expect((await world.desk.workOrder(token)).base?.files[0]?.url).toBe(`http://hub/${id}/2`)
})
