import { describe, expect, it } from 'vitest'
import { setServing } from '../../src/control/accept-serving.ts'
import { addAccount } from '../../src/control/accounts.ts'
import { accountBook } from '../../src/store/account-book.ts'
import { readAccount } from '../../src/store/account-rows.ts'
import { readEvents } from '../../src/store/event-rows.ts'
import { migrate } from '../../src/store/migrate.ts'
import { readOwners } from '../../src/store/owner-rows.ts'
import { policyBook } from '../../src/store/policy-book.ts'
import { reads } from '../../src/store/reads.ts'
import { removalRows } from '../../src/store/removal-rows.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { runBook } from '../../src/store/run-book.ts'
import { insertRun, readRun } from '../../src/store/run-rows.ts'
import { servingRows } from '../../src/store/serving-rows.ts'
import { insertFinished } from '../http/finished-run.ts'
import { planSession } from './by-hand.ts'
import { accountOf, freshDatabase, migrations, plannedOf, runOf, seed, start } from './fixture.ts'
import { policyOf } from './policy-fixture.ts'

const now = () => new Date(start)

async function opened() {
  const fresh = await freshDatabase()
  const { db } = fresh
  await seed(db, [accountOf('ana', { serves: true }), accountOf('bia')], [runOf('one')])
  return {
    db,
    book: policyBook(db, now),
    runs: runBook(db, now),
    removals: removalRows(db, now, false),
    serving: servingRows(db, now),
    look: reads(db),
    adapter: await insertFinished(db, 'support'),
    other: await insertFinished(db, 'other'),
    events: async (kind: string) =>
      (await readEvents(db, 0, 100)).filter((event) => event.kind === kind).map(({ data }) => data),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

describe('a stored policy', () => {
  it('is no run in any list, and no policy is one', async () => {
    await using world = await opened()
    const { book, look, adapter } = world
    const house = policyOf('house', { adapter })
    await book.insert(house)
    expect((await look.runs(10, undefined)).items.map(({ run }) => run.name).toSorted()).toEqual([
      'one',
      'other',
      'support',
    ])
    expect((await look.policies(10, undefined)).items).toEqual([
      { policy: house, sessions: 0, live: 0 },
    ])
    await expect(world.runs.askStop('house')).rejects.toMatchObject({ code: 'run_is_policy' })
    await expect(world.runs.setPriority('house', 1)).rejects.toMatchObject({
      code: 'run_is_policy',
    })
    await expect(book.askStop('one')).rejects.toMatchObject({ code: 'policy_is_run' })
    await expect(book.change('one', { plan: {}, priority: 1 })).rejects.toMatchObject({
      code: 'policy_is_run',
    })
  })

  it('is listed in parts, newest first', async () => {
    await using world = await opened()
    const { book, look, adapter } = world
    for (const [index, name] of ['first', 'second', 'third'].entries()) {
      const createdAt = new Date(Date.parse(start) + index * 1000)
      await book.insert(policyOf(name, { adapter, createdAt }))
    }
    const page = await look.policies(2, undefined)
    expect(page.items.map(({ policy }) => policy.name)).toEqual(['third', 'second'])
    const rest = await look.policies(2, page.next ?? '')
    expect(rest.items.map(({ policy }) => policy.name)).toEqual(['first'])
    expect(rest.next).toBeNull()
  })

  it('takes no name that is taken, even in the last moment', async () => {
    await using world = await opened()
    const { book, runs, adapter } = world
    await expect(book.insert(policyOf('one', { adapter }))).rejects.toMatchObject({
      code: 'run_exists',
    })
    await book.insert(policyOf('house', { adapter }))
    await expect(book.insert(policyOf('house', { adapter, id: 'pol_2' }))).rejects.toMatchObject({
      code: 'policy_exists',
    })
    await expect(runs.insertRun(runOf('house'))).rejects.toMatchObject({ code: 'policy_exists' })
  })

  it('tells what is another, once, and nothing else', async () => {
    await using world = await opened()
    const { book, adapter, other } = world
    const house = policyOf('house', { adapter })
    await book.insert(house)
    const plan = { ...house.plan, adapter: other }
    await book.change('house', { plan: { adapter: other }, priority: 4 })
    expect(await book.change('pol_house', { plan: {}, priority: 4 })).toMatchObject({ priority: 4 })
    expect(await readRun(world.db, 'house')).toEqual({ ...house, plan, priority: 4 })
    expect(await world.events('policy.changed')).toEqual([
      { policy: 'house', adapter: other, base: 'unsloth/tiny', priority: 4 },
    ])
  })

  it('stops at once without a live session, else with its last one', async () => {
    await using world = await opened()
    const { db, book, adapter } = world
    await book.insert(policyOf('idle', { adapter }))
    expect((await book.askStop('idle')).policy).toMatchObject({ state: 'stopped', endedAt: now() })
    expect(await readRun(db, 'idle')).toMatchObject({ state: 'stopped', endedAt: now() })
    await expect(book.askStop('idle')).rejects.toMatchObject({ code: 'policy_over' })
    const busy = policyOf('busy', { adapter })
    await book.insert(busy)
    await planSession(rotationStore(db, now), plannedOf(busy, accountOf('ana'), now(), 3600))
    expect((await book.askStop('busy')).live).toMatchObject([{ account: 'ana' }])
    await book.askStop('busy')
    expect(await readRun(db, 'busy')).toMatchObject({ state: 'stopping', stopAsked: true })
    expect(await world.events('policy.stop_asked')).toEqual([
      { policy: 'idle' },
      { policy: 'busy' },
    ])
    await expect(world.removals.runContents('busy', 'policy')).rejects.toMatchObject({
      code: 'policy_open',
    })
  })
})

describe('an adapter that an open policy serves', () => {
  it('is in use, until the policy is stopped or has another', async () => {
    await using world = await opened()
    const { book, removals, adapter, other } = world
    const house = policyOf('house', { adapter })
    await book.insert(house)
    await expect(removals.askRun('support')).rejects.toMatchObject({
      code: 'adapter_in_use',
      message: 'the adapter of support is in use: the serving policy house serves it',
    })
    const prefix = 'runs/run_support/artifacts/candidate-g1'
    expect((await readOwners(world.db)).kept).toContain(prefix)
    await book.change('house', { plan: { adapter: other } })
    await removals.runContents('support')
    await expect(removals.runContents('other')).rejects.toMatchObject({ code: 'adapter_in_use' })
    await book.askStop('house')
    await removals.runContents('other')
  })

  it('is in use by a policy that is being stopped', async () => {
    await using world = await opened()
    const { db, book, removals, adapter } = world
    const busy = policyOf('busy', { adapter })
    await book.insert(busy)
    await planSession(rotationStore(db, now), plannedOf(busy, accountOf('ana'), now(), 3600))
    await book.askStop('busy')
    await expect(removals.askRun('support')).rejects.toMatchObject({ code: 'adapter_in_use' })
  })

  it('is none that is going: neither a new policy nor a change takes it', async () => {
    await using world = await opened()
    const { book, removals, adapter, other } = world
    const house = policyOf('house', { adapter: other })
    await book.insert(house)
    await removals.askRun('support')
    await expect(book.insert(policyOf('late', { adapter }))).rejects.toMatchObject({
      code: 'adapter_removing',
      message: 'the run whose adapter would be served is being removed',
    })
    await expect(book.change('house', { plan: { adapter } })).rejects.toMatchObject({
      code: 'adapter_removing',
    })
    expect(await readRun(world.db, 'late')).toBeUndefined()
    expect(await readRun(world.db, 'house')).toEqual(house)
  })
})

it('a policy that is removed is told as one, and its hours stay', async () => {
  await using world = await opened()
  const { db, book, removals, adapter } = world
  const busy = policyOf('busy', { adapter })
  await book.insert(busy)
  await planSession(rotationStore(db, now), plannedOf(busy, accountOf('ana'), now(), 3600))
  await db.run("update sessions set state = 'ended', ended_at = $1", start)
  await book.askStop('busy')
  await expect(removals.askRun('busy')).rejects.toMatchObject({ code: 'run_is_policy' })
  await expect(removals.askRun('support', 'policy')).rejects.toMatchObject({
    code: 'policy_is_run',
  })
  const { removal } = await removals.askRun('busy', 'policy')
  await removals.finish(removal)
  expect(await readRun(db, 'busy')).toBeUndefined()
  expect(await world.events('policy.removed')).toEqual([{ policy: 'busy', sessions: 1 }])
  expect(await world.events('run.removed')).toEqual([])
  expect(await db.all('select note, gpu_seconds from ledger_entries')).toEqual([
    { note: 'serving policy busy, session 1', gpu_seconds: 3600 },
  ])
})

describe('the rule of serving', () => {
  const accept = { serves: true, acceptRules: true }

  it('is accepted by the owner, once, and what was accepted stays on record', async () => {
    await using world = await opened()
    const { db, serving } = world
    await expect(
      setServing(serving, 'bia', { serves: true, acceptRules: false }),
    ).rejects.toMatchObject({ kind: 'not-allowed', code: 'rules_not_accepted' })
    expect((await readAccount(db, 'bia'))?.serves).toBe(false)
    const consent = await setServing(serving, 'bia', accept)
    expect(consent).toMatchObject({ accepted: { by: 'bia', at: now() }, live: 0 })
    await setServing(serving, 'bia', { serves: true, acceptRules: false }) // it stands
    expect((await readAccount(db, 'bia'))?.serves).toBe(true)
    expect(await world.events('account.serving_accepted')).toHaveLength(1)
    await setServing(serving, 'bia', { serves: false, acceptRules: false })
    await setServing(serving, 'bia', { serves: false, acceptRules: false })
    expect((await readAccount(db, 'bia'))?.serves).toBe(false)
    expect(await world.events('account.serving_revoked')).toHaveLength(1)
    expect(await db.all('select * from serving_acceptances')).toEqual([
      { account: 'bia', owner: 'bia', accepted_at: start, revoked_at: start },
    ])
    expect((await world.look.servingAccepted()).size).toBe(0)
    await expect(setServing(serving, 'nobody', accept)).rejects.toMatchObject({
      code: 'account_unknown',
    })
  })

  it('goes with the account that is removed, and is asked for anew', async () => {
    await using world = await opened()
    const { db, serving } = world
    const book = accountBook(db, Buffer.alloc(32, 1), now)
    await setServing(serving, 'bia', accept)
    await book.remove('bia')
    expect((await readAccount(db, 'bia'))?.serves).toBe(false)
    expect((await world.look.servingAccepted()).size).toBe(0)
    await expect(setServing(serving, 'bia', accept)).rejects.toMatchObject({
      code: 'account_unknown',
    })
    const credentials = { kind: 'key', username: 'bia', key: 'k' } as const
    const bia = { name: 'bia', owner: 'bia', provider: 'kaggle', credentials } as const
    await addAccount(book, { ...bia, acceptRules: true }, false)
    expect((await readAccount(db, 'bia'))?.serves).toBe(false)
  })

  it('is none on a machine of one’s own, which serves unless it is told not to', async () => {
    await using world = await opened()
    const book = accountBook(world.db, Buffer.alloc(32, 1), now)
    const here = { name: 'here', owner: 'Rui', provider: 'local', acceptRules: true } as const
    expect(await addAccount(book, here, false)).toMatchObject({ serves: true })
    expect((await readAccount(world.db, 'here'))?.serves).toBe(true)
    await setServing(world.serving, 'here', { serves: false, acceptRules: false })
    expect((await readAccount(world.db, 'here'))?.serves).toBe(false)
    const again = { serves: true, acceptRules: false }
    expect(await setServing(world.serving, 'here', again)).toMatchObject({ accepted: null })
    expect((await readAccount(world.db, 'here'))?.serves).toBe(true)
    await book.remove('here')
    await addAccount(book, here, false)
    expect((await readAccount(world.db, 'here'))?.serves).toBe(true)
  })
})

it('machines of one’s own that were known before may serve', async () => {
  await using fresh = await freshDatabase()
  const { db } = fresh
  await seed(db, [accountOf('here', { provider: 'local' }), accountOf('ana')], [])
  await insertRun(db, runOf('one'))
  // As it was before the migration.
  await db.run('drop table serving_acceptances')
  await db.run('delete from migrations where number = 13')
  await migrate(db, migrations, now())
  expect((await readAccount(db, 'here'))?.serves).toBe(true)
  expect((await readAccount(db, 'ana'))?.serves).toBe(false)
})
