import { expect, it } from 'vitest'
import type { SessionProvider } from '../../src/rotation/session-provider.ts'
import { tick } from '../../src/rotation/tick.ts'
import { kaggleWorld } from '../emulators/kaggle-world.ts'
import { accountOf, HOUR, runOf } from '../store/fixture.ts'
import { tickWorld } from './tick-world.ts'

// The engine on a real database, its clock that of an emulated Kaggle which it reads and launches at over HTTP.

const monday = '2026-11-30T08:00:00.000Z'
const friday = '2026-12-04T20:00:00.000Z' // four hours before a refresh
const ana = accountOf('ana')

async function opened(startsAt: string, weeklyHours: number) {
  const kaggle = await kaggleWorld({ startsAt, weeklyHours, queueSeconds: 0.2 })
  const base = await tickWorld({ accounts: [ana], runs: [runOf('one', { id: 'run_a1b2c3' })] })
  const { provider } = kaggle
  const look = async () => {
    base.clock.set(kaggle.now().toISOString())
    const ports = base.portsOver(base.store, provider)
    const renderNotebook = async () => kaggle.notebook('runs')
    await tick({ ...ports, renderNotebook, quotaMaxAgeSeconds: 0 })
  }
  return {
    kaggle,
    provider,
    look,
    sessions: () => base.sessions(),
    run: () => base.run(),
    ledger: () => base.look.ledger('ana', new Date(0)),
    /** Something of the person's own that runs for so long, and is over or not. */
    async usedByHand(name: string, hours: number, timeoutHours = 12): Promise<void> {
      await provider.launch({
        account: ana,
        name,
        notebook: kaggle.notebook('runs'),
        timeoutSeconds: timeoutHours * HOUR,
        outputsOf: [],
        models: [],
      })
      await kaggle.until(`${name} to run`, async () => kindOf(provider, name, 'running'))
      await kaggle.advance(hours * HOUR)
      if (hours >= timeoutHours)
        await kaggle.until(`${name} to end`, async () => kindOf(provider, name, 'ended'))
    },
    async [Symbol.asyncDispose]() {
      await base[Symbol.asyncDispose]()
      await kaggle[Symbol.asyncDispose]()
    },
  }
}

const kindOf = async (provider: SessionProvider, name: string, kind: string) =>
  (await provider.observe(ana, name, null)).kind === kind

it('plans one hour, not ten, where 20 of 30 hours are used and 9 are reserved', async () => {
  await using world = await opened(monday, 30)
  await world.usedByHand('by-hand-1', 12, 12)
  await world.usedByHand('by-hand-2', 5, 5)
  await world.usedByHand('by-hand-3', 3)
  const reading = await world.provider.quota(ana)
  expect((reading?.usedSeconds ?? 0) / HOUR).toBeCloseTo(20, 1)
  expect((reading?.reservedSeconds ?? 0) / HOUR).toBeCloseTo(9, 1)
  await world.look()
  const [session] = await world.sessions()
  expect(session, session?.reason ?? '').toMatchObject({ state: 'starting' })
  expect((session?.plannedSeconds ?? 0) / HOUR).toBeCloseTo(1, 1)
})

it('uses an allowance of 41 hours as 41', async () => {
  await using world = await opened(monday, 41)
  await world.usedByHand('by-hand-1', 12, 12)
  await world.usedByHand('by-hand-2', 12, 12)
  await world.usedByHand('by-hand-3', 10, 10)
  await world.look()
  const [session] = await world.sessions()
  // 41 − 34: by the 30 hours that the account was added with nothing would be left.
  expect((session?.plannedSeconds ?? 0) / HOUR).toBeCloseTo(7, 1)
})

it('splits the booking of a session at the refresh in its midst', async () => {
  await using world = await opened(friday, 30)
  await world.look()
  const rows = (await world.ledger()).filter(({ kind }) => kind === 'reserve')
  expect(rows.map(({ weekStart }) => weekStart.toISOString())).toEqual([
    '2026-11-28T00:00:00.000Z',
    '2026-12-05T00:00:00.000Z',
  ])
  expect(rows.map(({ gpuSeconds }) => Math.round(gpuSeconds / 60))).toEqual([4 * 60, 5 * 60])
})

it('waits for a free slot, for the projection and for the week each as long as that takes', async () => {
  const waits: number[] = []
  const refuse = async (
    weeklyHours: number,
    prepare: (world: Awaited<ReturnType<typeof opened>>) => Promise<void>,
  ) => {
    await using world = await opened(monday, weeklyHours)
    await prepare(world)
    // Its own books are not asked: what counts is what the push is answered.
    const blind = { ...world.provider, quota: async () => null }
    const answer = await blind.launch({
      account: ana,
      name: 'refused',
      notebook: world.kaggle.notebook('runs'),
      timeoutSeconds: HOUR,
      outputsOf: [],
      models: [],
    })
    if (answer.kind !== 'refused') throw new Error(`it was not refused: ${answer.kind}`)
    waits.push((answer.retryAt.getTime() - world.kaggle.now().getTime()) / 60_000)
  }
  await refuse(60, async (world) => {
    await world.usedByHand('by-hand-1', 0)
    await world.usedByHand('by-hand-2', 0)
  })
  await refuse(12, (world) => world.usedByHand('by-hand-1', 1))
  await refuse(2, (world) => world.usedByHand('by-hand-1', 2, 2))
  const [slot = 0, projection = 0, week = 0] = waits
  expect(slot).toBeCloseTo(5, 0)
  expect(projection).toBeCloseTo(10, 0)
  // From Monday 10:00 to Saturday.
  expect(week / 60).toBeCloseTo(110, 0)
})
