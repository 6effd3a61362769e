import { expect, it } from 'vitest'
import { adjustBudget } from '../../src/control/adjust-budget.ts'
import { balanceSeconds, grantedSeconds } from '../../src/rotation/ledger.ts'
import { weekOf } from '../../src/rotation/week.ts'
import { adjustmentRows } from '../../src/store/adjustment-rows.ts'
import { readLedger } from '../../src/store/ledger-rows.ts'
import { settableClock } from '../settable-clock.ts'
import { accountOf, freshDatabase, HOUR, seed, start } from '../store/fixture.ts'

async function world() {
  const fresh = await freshDatabase()
  const clock = settableClock(start)
  const ana = accountOf('ana')
  await seed(fresh.db, [ana, accountOf('bia')], [])
  const rows = adjustmentRows(fresh.db, () => clock.now())
  let n = 0
  return {
    db: fresh.db,
    clock,
    ana,
    adjust: (hours: number, changes: { id?: string; account?: string; note?: string } = {}) => {
      n += 1
      return adjustBudget(rows, { id: `adj_${n}`, account: 'ana', hours, note: null, ...changes })
    },
    async left() {
      const { start: from } = weekOf(ana.reset, clock.now())
      return balanceSeconds(ana, await readLedger(fresh.db, 'ana', from), from)
    },
    [Symbol.asyncDispose]: fresh[Symbol.asyncDispose],
  }
}

it('what was used by hand is taken from the present week, and no longer session is granted than what is left', async () => {
  await using w = await world()
  await w.adjust(-2.5, { note: 'a notebook by hand' })
  expect(await w.left()).toBe(27.5 * HOUR)
  await w.adjust(-26)
  const { start: from } = weekOf(w.ana.reset, w.clock.now())
  const rows = await readLedger(w.db, 'ana', from)
  expect(rows.map(({ kind, note, sessionId }) => [kind, note, sessionId])).toEqual([
    ['adjust', 'a notebook by hand', null],
    ['adjust', null, null],
  ])
  expect(grantedSeconds(w.ana, rows, null, 0, w.clock.now())).toBe(1.5 * HOUR)
  await w.adjust(1)
  expect(await w.left()).toBe(2.5 * HOUR)
  const told = await w.db.first(
    "select data from events where kind = 'account.adjusted' order by id",
  )
  expect(JSON.parse(String(told?.data))).toEqual({
    account: 'ana',
    provider: 'kaggle',
    emulated: false,
    hours: -2.5,
    note: 'a notebook by hand',
    leftHours: 27.5,
  })
  w.clock.advance(7 * 24 * HOUR)
  expect(await w.left()).toBe(30 * HOUR)
})

it('the same request twice is one row', async () => {
  await using w = await world()
  await w.adjust(-2, { id: 'adj_same' })
  await w.adjust(-2, { id: 'adj_same' })
  expect(await w.left()).toBe(28 * HOUR)
  expect(await w.db.all("select 1 from events where kind = 'account.adjusted'")).toHaveLength(1)
})

it.each([
  ['more than a week', -169],
  ['as much given', 168.1],
  ['nothing', 0],
  ['less than a second', 0.0001],
  ['no number', Number.NaN],
  ['without end', Number.NEGATIVE_INFINITY],
])('%s is refused', async (_why, hours) => {
  await using w = await world()
  await expect(w.adjust(hours)).rejects.toMatchObject({ kind: 'invalid', code: 'hours_absurd' })
  expect(await w.left()).toBe(30 * HOUR)
})

it('corrections that are more than a week together are refused, and those of one who lends nothing', async () => {
  await using w = await world()
  await w.adjust(-100)
  await expect(w.adjust(-69)).rejects.toMatchObject({
    code: 'hours_absurd',
    message: expect.stringContaining('-169.0 h'),
  })
  await w.adjust(100)
  await w.adjust(-69)
  await expect(w.adjust(-1, { account: 'eva' })).rejects.toMatchObject({ code: 'account_unknown' })
  await w.db.run("update accounts set removed_at = $1 where name = 'bia'", start)
  await expect(w.adjust(-1, { account: 'bia' })).rejects.toMatchObject({ code: 'account_unknown' })
})
