import { describe, expect, it } from 'vitest'
import { budgetOf } from '../../src/http/budget.ts'
import type { QuotaReading } from '../../src/rotation/ledger.ts'
import { insertEntries, writeQuota } from '../../src/store/ledger-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { planSession } from '../store/by-hand.ts'
import { accountOf, freshDatabase, HOUR, plannedOf, runOf, seed, start } from '../store/fixture.ts'

const at = (hours: number) => new Date(new Date(start).getTime() + hours * HOUR * 1000)
const ana = accountOf('ana', { marginPercent: 5 })
const run = runOf('one')

const reading = (changes: Partial<QuotaReading> = {}): QuotaReading => ({
  account: 'ana',
  readAt: at(0),
  usedSeconds: 0,
  reservedSeconds: 0,
  allowedSeconds: 30 * HOUR,
  refreshesAt: at(80),
  ...changes,
})

/** The week of `ana` at noon of the start: a session of four hours booked an hour after the provider was asked. */
async function weekWith(quota: QuotaReading | null, adjustedHours = 0) {
  await using fresh = await freshDatabase()
  const { db } = fresh
  const now = at(1)
  await seed(db, [ana, accountOf('bia')], [run])
  if (quota) await writeQuota(db, quota)
  const plan = plannedOf(run, ana, now, 4 * HOUR)
  expect(
    await planSession(
      rotationStore(db, () => now),
      plan,
    ),
  ).toBe(true)
  const [reserved] = plan.reservation
  if (adjustedHours !== 0 && reserved) {
    const adjust = {
      ...reserved,
      id: 'adj',
      kind: 'adjust' as const,
      gpuSeconds: adjustedHours * HOUR,
    }
    await insertEntries(db, [adjust], start)
  }
  return await budgetOf(reads(db), ana, now) // before the database closes
}

describe('the hours of a week', () => {
  it.each([
    [
      'without a book of the provider',
      null,
      0,
      { leftHours: 24.5, providerLeftHours: null, binds: 'own', mayPlanHours: 24.5 },
    ],
    [
      'where the provider grants more',
      reading(),
      0,
      { leftHours: 24.5, providerLeftHours: 26, binds: 'own', mayPlanHours: 24.5 },
    ],
    [
      'where the provider knows of more use',
      reading({ usedSeconds: 5 * HOUR }),
      0,
      { leftHours: 24.5, providerLeftHours: 21, binds: 'provider', mayPlanHours: 21 },
    ],
    [
      'where its reading shows our session already',
      reading({ readAt: at(2), reservedSeconds: 4 * HOUR, usedSeconds: 5 * HOUR }),
      0,
      { providerLeftHours: 21, binds: 'provider' },
    ],
    [
      'where the provider has granted nothing more',
      reading({ usedSeconds: 30 * HOUR }),
      0,
      { providerLeftHours: -4, mayPlanHours: 0, binds: 'provider' },
    ],
    [
      'corrected by hand',
      reading(),
      -3,
      { adjustedHours: -3, leftHours: 21.5, binds: 'own', mayPlanHours: 21.5 },
    ],
    [
      'where the reading is of a week that is over',
      reading({ usedSeconds: 30 * HOUR, refreshesAt: at(0.5) }),
      0,
      {
        providerLeftHours: null,
        binds: 'own',
        mayPlanHours: 24.5,
        refreshesAt: '2026-03-14T00:00:00.000Z',
      },
    ],
  ])('are told %s', async (_what, quota, adjusted, expected) => {
    const week = await weekWith(quota, adjusted)
    expect(week).toMatchObject({ reservedHours: 4, usedHours: 0, ...expected })
  })

  it('come again when the provider says so, where it does', async () => {
    expect((await weekWith(reading())).refreshesAt).toBe(at(80).toISOString())
    expect((await weekWith(null)).refreshesAt).toBe('2026-03-14T00:00:00.000Z')
  })
})
