import { expect, it } from 'vitest'
import { sha256Hex } from '../../src/lib/random.ts'
import { insertAccount } from '../../src/store/account-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { markAwaiting, markLaunching, planSession } from '../store/by-hand.ts'
import { accountOf, HOUR, plannedOf } from '../store/fixture.ts'
import { runningService } from './service.ts'

interface Enrolment {
  sessionToken: string
  workOrder: {
    session: { id: string; generation: number }
    plan: object
    resume: { step: number; generation: number } | null
    data: { files: { url: string }[] }
  }
}
interface Opened {
  uploadId: string
  files: { url: string }[]
}

const ticket = 'rzt_the-ticket-of-this-notebook'
const weights = Buffer.from('weights')
const file = { name: 'weights.bin', bytes: weights.length, sha256: sha256Hex(weights) }

/** A service with a session that waits for its person, as the rotation leaves it. */
async function awaitingService() {
  const service = await runningService()
  await service.importRows('piloto', 3)
  await service.call('/v1/runs', { json: { dataset: 'piloto', steps: 5, name: 'one' } })
  const db = openSqlite(`${service.folder}/rodizio.db`)
  const now = () => new Date()
  const account = accountOf('cris', { provider: 'colab', automation: 'person' })
  await insertAccount(db, account, now().toISOString())
  const run = await reads(db).run('one')
  if (!run) throw new Error('no run')
  const store = rotationStore(db, now)
  const plan = plannedOf(run, account, now(), HOUR)
  await planSession(store, plan)
  await markLaunching(store, plan.id, sha256Hex(ticket))
  await markAwaiting(store, plan.id, 'https://colab.example/drive/x')
  await db.close()
  const post = (path: string, json: unknown, bearer = '') =>
    fetch(`${service.url}/v1/session/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
      body: JSON.stringify(json),
    })
  const enrol = async (nonce: string) =>
    (await (await post('enrol', { ticket, nonce })).json()) as Enrolment
  /** Announces and sends a checkpoint; commits it too unless told not to. */
  const save = async ({ sessionToken, workOrder }: Enrolment, step: number) => {
    const asked = { kind: 'checkpoint', step, files: [file] }
    const opened = (await (await post('uploads', asked, sessionToken)).json()) as Opened
    await fetch(opened.files[0]?.url ?? '', { method: 'PUT', body: weights })
    const manifest = `${JSON.stringify({
      format: 1,
      kind: 'checkpoint',
      run: run.id,
      session: workOrder.session.id,
      generation: workOrder.session.generation,
      step,
      targetSteps: 5,
      epoch: 0.5,
      engine: 'dry',
      label: 'dry',
      plan: workOrder.plan,
      env: {},
      metrics: { loss: 1.5 },
      files: [file],
    })}\n`
    const commit = { manifest, sha256: sha256Hex(manifest) }
    return post(`uploads/${opened.uploadId}/commit`, commit, sessionToken)
  }
  return {
    service,
    post,
    enrol,
    save,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  }
}

const told = async (answer: Response) => [
  answer.status,
  ((await answer.json()) as { code?: string; order?: string }).code,
]

it('lets Run all pressed again go on as the same session, and shuts the older process out', async () => {
  await using world = await awaitingService()
  const first = await world.enrol('nonce-of-the-first')
  expect((await world.save(first, 2)).status).toBe(200)
  const asked = { kind: 'checkpoint', step: 3, files: [file] }
  const half = (await (await world.post('uploads', asked, first.sessionToken)).json()) as Opened

  const second = await world.enrol('nonce-of-the-second')
  expect(second.workOrder).toMatchObject({
    session: { id: first.workOrder.session.id, generation: 2 },
    resume: { step: 2, generation: 1 },
  })
  const beat = { step: 3, phase: 'train', history: [] }
  expect(await told(await world.post('heartbeat', beat, first.sessionToken))).toEqual([
    401,
    'token_unknown',
  ])
  const put = await fetch(half.files[0]?.url ?? '', { method: 'PUT', body: weights })
  expect(await told(put)).toEqual([410, 'url_spent'])
  expect(await told(await fetch(first.workOrder.data.files[0]?.url ?? ''))).toEqual([
    410,
    'url_spent',
  ])
  const commit = { manifest: '{}', sha256: file.sha256 }
  expect(
    await told(await world.post(`uploads/${half.uploadId}/commit`, commit, first.sessionToken)),
  ).toEqual([401, 'token_unknown'])
  expect(await told(await world.post('enrol', { ticket, nonce: 'nonce-of-the-first' }))).toEqual([
    409,
    'fenced',
  ])

  const answer = await world.post('heartbeat', beat, second.sessionToken)
  expect(await answer.json()).toMatchObject({ order: 'continue' })
  expect((await world.save(second, 3)).status).toBe(200)
  expect(await world.service.get('/v1/runs/one')).toMatchObject({
    sessions: [{ generation: 2, outcome: null }],
    checkpoints: [
      { step: 2, generation: 1 },
      { step: 3, generation: 2 },
    ],
  })
})
