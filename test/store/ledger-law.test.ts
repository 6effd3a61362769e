import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Account } from '../../src/rotation/account.ts'
import { balanceSeconds, roundedToMinute } from '../../src/rotation/ledger.ts'
import type { Session } from '../../src/rotation/session.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { settableClock } from '../settable-clock.ts'
import { endSession, markLaunching, markStarted, planSession } from './by-hand.ts'
import { accountOf, endOf, freshDatabase, HOUR, plannedOf, runOf, seed } from './fixture.ts'

// From few values: sessions that fill a week to the second, that end on its reset, that cross it or a change of clocks.
const step = fc.oneof(
  fc.record({
    do: fc.constant('plan' as const),
    run: fc.nat(2),
    account: fc.nat(2),
    seconds: fc.constantFrom(20, 60, 1800, HOUR, 2 * HOUR, 3 * HOUR),
  }),
  fc.record({ do: fc.constant('launch' as const), run: fc.nat(2) }),
  fc.record({
    do: fc.constant('end' as const),
    run: fc.nat(2),
    outcome: fc.constantFrom('limit', 'preempted', 'lost', 'cancelled', 'finished'),
    twice: fc.boolean(),
  }),
  fc.record({
    do: fc.constant('wait' as const),
    seconds: fc.constantFrom(1, 59, 60, 61, 600, 1740),
  }),
)

const resetOf = (weekday: number, hour: number, zone: string) => ({ weekday, hour, zone })

/** Half an hour before a reset, most of which lie beside or inside a change of clocks. */
const moments = fc.constantFrom(
  { at: '2026-03-13T23:30:00.000Z', reset: resetOf(6, 0, 'UTC') },
  { at: '2026-03-08T06:30:00.000Z', reset: resetOf(0, 2, 'America/New_York') },
  { at: '2026-11-01T04:30:00.000Z', reset: resetOf(0, 1, 'America/New_York') },
  { at: '2018-11-04T02:30:00.000Z', reset: resetOf(0, 0, 'America/Sao_Paulo') },
)

it('keeps the book true over any sequence of plans, launches and ends', async () => {
  await using fresh = await freshDatabase()
  const { db } = fresh
  const clock = settableClock('2018-01-01T00:00:00.000Z')
  const now = () => clock.now()
  const store = rotationStore(db, now)
  const look = reads(db)
  const seen = { planned: 0, refused: 0, across: 0, ended: 0 }
  let universe = 0

  await fc.assert(
    fc.asyncProperty(
      moments,
      moments,
      fc.constantFrom(1800, HOUR, 2 * HOUR),
      fc.array(step, { minLength: 10, maxLength: 25, size: 'max' }),
      async (moment, other, weeklySeconds, steps) => {
        universe += 1
        clock.set(moment.at)
        const named = (name: string) => `${name}${universe}`
        const accounts = ['ana', 'bia', 'caio'].map((name, i) => {
          const { reset } = i === 2 ? other : moment
          return accountOf(named(name), { weeklySeconds, reset })
        })
        const runs = ['um', 'dois', 'tres'].map((name) => runOf(named(name)))
        await seed(db, accounts, runs)
        const bookOf = (account: Account) => store.ledgerRows(account.name, new Date(0))
        const live = new Map<string, string>()
        const generations = new Map<string, number>()

        for (const act of steps) {
          if (act.do === 'wait') clock.advance(act.seconds)
          if (act.do === 'plan') {
            const run = runs[act.run]
            const account = accounts[act.account]
            if (!run || !account) continue
            const before = await bookOf(account)
            const generation = (generations.get(run.id) ?? 0) + 1
            const plan = plannedOf(
              { ...run, generation: generation - 1 },
              account,
              now(),
              act.seconds,
            )
            const planned = await planSession(store, plan)
            const fits = plan.reservation.every(
              (part) => balanceSeconds(account, before, part.weekStart) >= part.gpuSeconds,
            )
            expect(planned).toBe(fits && !live.has(run.id) && (await isOpenRun(run.id)))
            if (!planned) {
              seen.refused += 1
              expect(await bookOf(account)).toEqual(before)
              continue
            }
            seen.planned += 1
            if (plan.reservation.length > 1) seen.across += 1
            live.set(run.id, plan.id)
            generations.set(run.id, generation)
          }
          if (act.do === 'launch') {
            const id = live.get(runs[act.run]?.id ?? '')
            if (id === undefined) continue
            await markLaunching(store, id, `ticket ${id}`)
            await markStarted(store, id, id)
          }
          if (act.do === 'end') await endOne(runs[act.run]?.id ?? '', act.outcome, act.twice)
          for (const account of accounts) await expectSolvent(account)
        }

        for (const run of runs) await endOne(run.id, 'lost', true)
        const sessions = (await Promise.all(runs.map((run) => look.sessionsOf(run.id)))).flat()
        for (const account of accounts) await expectTrue(account, sessions)

        async function isOpenRun(id: string) {
          return (await store.openRuns()).some((run) => run.id === id)
        }

        async function endOne(runId: string, outcome: Parameters<typeof endOf>[0], twice: boolean) {
          const id = live.get(runId)
          if (id === undefined) return
          seen.ended += 1
          live.delete(runId)
          expect(await endSession(store, id, endOf(outcome))).toBe(true)
          if (!twice) return
          const books = await Promise.all(accounts.map(bookOf))
          clock.advance(1)
          expect(await endSession(store, id, endOf('lost'))).toBe(false)
          expect(await Promise.all(accounts.map(bookOf))).toEqual(books)
        }

        async function expectSolvent(account: Account) {
          const rows = await bookOf(account)
          for (const weekStart of new Set(rows.map((row) => row.weekStart.getTime()))) {
            const left = balanceSeconds(account, rows, new Date(weekStart))
            expect(
              left,
              `${account.name} ${new Date(weekStart).toISOString()}`,
            ).toBeGreaterThanOrEqual(0)
          }
        }

        async function expectTrue(account: Account, all: readonly Session[]) {
          const rows = await bookOf(account)
          const sumOf = (kinds: string[]) =>
            rows.filter(({ kind }) => kinds.includes(kind)).reduce((s, r) => s + r.gpuSeconds, 0)
          const mine = all.filter((session) => session.account === account.name)
          const used = mine.reduce((s, session) => s + roundedToMinute(session.usedSeconds ?? 0), 0)
          expect(sumOf(['settle'])).toBe(used)
          expect(sumOf(['reserve', 'release'])).toBe(0)
          expect(sumOf(['reserve', 'release', 'settle', 'adjust'])).toBe(used)
          expect(rows.every(({ sessionId }) => mine.some(({ id }) => id === sessionId))).toBe(true)
        }
      },
    ),
    { numRuns: 120 },
  )
  // The law says something only when all of these were met.
  expect(seen.planned).toBeGreaterThan(50)
  expect(seen.refused).toBeGreaterThan(50)
  expect(seen.across).toBeGreaterThan(15)
  expect(seen.ended).toBeGreaterThan(50)
}, 60_000)
