import { describe, expect, it } from 'vitest'
import { addAbsence, removeAbsence } from '../../src/control/absences.ts'
import { absenceRows, readAbsences } from '../../src/store/absence-rows.ts'
import { writePerson } from '../../src/store/person-rows.ts'
import { accountOf, freshDatabase, seed, start } from '../store/fixture.ts'

async function opened(zone: string) {
  const fresh = await freshDatabase()
  await seed(fresh.db, [accountOf('rui', { owner: 'Rui' }), accountOf('ana', { owner: 'Ana' })], [])
  await writePerson(fresh.db, 'Rui', { zone }, start)
  const rows = absenceRows(fresh.db, () => new Date(start))
  const add = (from: string, to: string, owner = 'Rui') =>
    addAbsence(rows, { owner, from, to }, new Date(start))
  return { db: fresh.db, rows, add, [Symbol.asyncDispose]: fresh[Symbol.asyncDispose] }
}

describe('a span in which somebody is away', () => {
  it.each([
    [
      'whole days',
      'Europe/Lisbon',
      '2026-12-24',
      '2026-12-26',
      '2026-12-24T00:00',
      '2026-12-27T00:00',
    ],
    [
      'a day of summer',
      'Europe/Lisbon',
      '2026-07-01',
      '2026-07-01',
      '2026-06-30T23:00',
      '2026-07-01T23:00',
    ],
    [
      'over the change of clocks',
      'Europe/Lisbon',
      '2026-10-24',
      '2026-10-25',
      '2026-10-23T23:00',
      '2026-10-26T00:00',
    ],
    [
      'west of here',
      'America/Sao_Paulo',
      '2026-12-24',
      '2026-12-24',
      '2026-12-24T03:00',
      '2026-12-25T03:00',
    ],
    [
      'minutes',
      'Asia/Kolkata',
      '2026-12-24T18:00',
      '2026-12-24T18:30',
      '2026-12-24T12:30',
      '2026-12-24T13:00',
    ],
    [
      'a space for the T',
      'UTC',
      '2026-12-24 18:00',
      '2026-12-25',
      '2026-12-24T18:00',
      '2026-12-26T00:00',
    ],
    [
      'instants',
      'Asia/Kolkata',
      '2026-12-24T18:00Z',
      '2026-12-24T18:00-02:00',
      '2026-12-24T18:00',
      '2026-12-24T20:00',
    ],
    ['one that began', 'UTC', '2026-03-01', '2026-03-10', '2026-03-01T00:00', '2026-03-11T00:00'],
    ['leap day', 'UTC', '2028-02-29', '2028-02-29', '2028-02-29T00:00', '2028-03-01T00:00'],
  ])('is read in their own zone: %s', async (_what, zone, from, to, begins, ends) => {
    await using world = await opened(zone)
    const { id } = await world.add(from, to)
    const expected = { id, owner: 'Rui', from: new Date(`${begins}Z`), to: new Date(`${ends}Z`) }
    expect(await readAbsences(world.db, new Date(start))).toEqual([expected])
  })

  it.each([
    ['no date', 'tomorrow', '2026-12-26', 'date_unreadable', /from: "tomorrow" is no date/],
    ['a day that there is not', '2026-02-30', '2026-12-26', 'date_unreadable', /2026-02-30/],
    [
      'a month that there is not',
      '2026-12-24',
      '2026-13-01',
      'date_unreadable',
      /to: "2026-13-01"/,
    ],
    ['an hour of 25', '2026-12-24T25:00', '2026-12-26', 'date_unreadable', /25:00/],
    [
      'an end before its beginning',
      '2026-12-26',
      '2026-12-24',
      'span_empty',
      /does not come after/,
    ],
    ['no length', '2026-12-26T10:00', '2026-12-26T10:00', 'span_empty', /does not come after/],
    ['an end that has passed', '2026-01-01', '2026-01-02', 'span_over', /has passed/],
    ['more than a year', '2026-12-24', '2027-12-26', 'span_long', /longer than a year/],
  ])('is refused with %s', async (_why, from, to, code, message) => {
    await using world = await opened('Europe/Lisbon')
    await expect(world.add(from, to)).rejects.toMatchObject({
      kind: 'invalid',
      code,
      message: expect.stringMatching(message),
      next: expect.stringContaining('2026-12-24'),
    })
    expect(await world.db.all('select 1 from absences')).toEqual([])
  })

  it('is of somebody who lends an account', async () => {
    await using world = await opened('UTC')
    await expect(world.add('2026-12-24', '2026-12-26', 'Eva')).rejects.toMatchObject({
      kind: 'not-found',
      code: 'owner_unknown',
      next: 'One of: Ana, Rui',
    })
  })

  it('is over when its end has come, and can be taken back before', async () => {
    await using world = await opened('UTC')
    const second = await world.add('2026-12-24', '2026-12-26')
    const first = await world.add('2026-11-01', '2026-11-02')
    const at = async (time: string) =>
      (await readAbsences(world.db, new Date(time))).map(({ id }) => id)
    expect(await at('2026-03-10T12:00Z')).toEqual([first.id, second.id])
    expect(await at('2026-11-02T23:59:59Z')).toEqual([first.id, second.id])
    expect(await at('2026-11-03T00:00:00Z')).toEqual([second.id])
    expect(await removeAbsence(world.rows, second.id)).toMatchObject({ owner: 'Rui' })
    await expect(removeAbsence(world.rows, second.id)).rejects.toMatchObject({
      code: 'absence_unknown',
    })
  })
})
