import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chooseAccount, type Standing } from '../../src/rotation/choose-account.ts'
import { accountOf, HOUR, start } from '../store/fixture.ts'

const now = new Date(start)
const later = (minutes: number) => new Date(now.getTime() + minutes * 60_000)

const standing = (
  name: string,
  changes: Partial<Standing> = {},
  account: Parameters<typeof accountOf>[1] = {},
): Standing => ({
  account: accountOf(name, account),
  grantedSeconds: 9 * HOUR,
  resetsAt: later(600),
  liveSessions: 0,
  lastGeneration: 0,
  ...changes,
})

describe('whose turn it is', () => {
  it.each([
    [
      'the one that held this run longest ago',
      [standing('ana', { lastGeneration: 3 }), standing('bia', { lastGeneration: 2 })],
      { kind: 'start', account: 'bia', seconds: 9 * HOUR },
    ],
    [
      'one that never held it comes before any that did, even with less time',
      [
        standing('ana', { lastGeneration: 1 }),
        standing('bia', { lastGeneration: 0, grantedSeconds: HOUR }),
      ],
      { kind: 'start', account: 'bia', seconds: HOUR },
    ],
    [
      'among equal turns, the one with most time',
      [
        standing('ana', { grantedSeconds: 2 * HOUR }),
        standing('bia', { grantedSeconds: 3 * HOUR }),
      ],
      { kind: 'start', account: 'bia', seconds: 3 * HOUR },
    ],
    [
      'the name, when all else is equal',
      [standing('caio'), standing('ana'), standing('bia')],
      { kind: 'start', account: 'ana', seconds: 9 * HOUR },
    ],
    [
      'never one that is on hold',
      [standing('ana', {}, { holdUntil: later(1) }), standing('bia', { lastGeneration: 9 })],
      { kind: 'start', account: 'bia', seconds: 9 * HOUR },
    ],
    [
      'one whose hold ends now',
      [standing('ana', {}, { holdUntil: now })],
      { kind: 'start', account: 'ana', seconds: 9 * HOUR },
    ],
    [
      'never one that has as many sessions as it may',
      [standing('ana', { liveSessions: 2 }), standing('bia', { lastGeneration: 9 })],
      { kind: 'start', account: 'bia', seconds: 9 * HOUR },
    ],
    [
      'exactly the shortest session that is worth it',
      [standing('ana', { grantedSeconds: 600 })],
      { kind: 'start', account: 'ana', seconds: 600 },
    ],
    [
      'nobody, until the reset, when the week is spent',
      [standing('ana', { grantedSeconds: 599 })],
      { kind: 'wait', until: later(600), why: "ana: this week's GPU hours are spent or booked" },
    ],
    [
      'nobody, until the hold ends, and why it was put there',
      [standing('ana', {}, { holdUntil: later(5), holdReason: 'slots are full' })],
      { kind: 'wait', until: later(5), why: 'ana: slots are full' },
    ],
    [
      'nobody, for a minute, while all are busy',
      [standing('ana', { liveSessions: 2 })],
      { kind: 'wait', until: later(1), why: 'ana: busy with another session' },
    ],
    [
      'the earliest of several waits',
      [
        standing('ana', { grantedSeconds: 0 }),
        standing('bia', {}, { holdUntil: later(30), holdReason: 'slow' }),
      ],
      { kind: 'wait', until: later(30), why: 'bia: slow' },
    ],
    ['no accounts at all', [], { kind: 'no-accounts' }],
  ] as const)('%s', (_why, rota, expected) => {
    const choice = chooseAccount(rota, Number.POSITIVE_INFINITY, 600, now)
    expect(choice.kind === 'start' ? { ...choice, account: choice.account.name } : choice).toEqual(
      expected,
    )
  })

  it('starts no longer session than the run wants', () => {
    const choice = chooseAccount([standing('ana')], 20, 20, now)
    expect(choice).toMatchObject({ kind: 'start', seconds: 20 })
  })

  // Drawn from few values, so that ties are common: from wide ranges a lost tie-break would pass.
  const rotas = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('ana', 'bia', 'caio', 'davi'),
      grantedSeconds: fc.constantFrom(0, 540, 600, 3600),
      liveSessions: fc.constantFrom(0, 1, 2),
      lastGeneration: fc.constantFrom(0, 1, 2),
      hold: fc.constantFrom(null, -1, 0, 1, 30),
      resets: fc.constantFrom(1, 30, 600),
    }),
    { selector: ({ name }) => name, maxLength: 4 },
  )
  const toStandings = (rota: typeof rotas extends fc.Arbitrary<infer R> ? R : never): Standing[] =>
    rota.map(({ name, hold, resets, ...rest }) =>
      standing(
        name,
        { ...rest, resetsAt: later(resets) },
        { holdUntil: hold === null ? null : later(hold), holdReason: 'held' },
      ),
    )

  it('chooses alike in any order of the rota', () => {
    fc.assert(
      fc.property(
        rotas.chain((rota) =>
          fc.tuple(
            fc.constant(toStandings(rota)),
            fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
          ),
        ),
        ([rota, order]) => {
          const shuffled = order.flatMap((index) => rota[index] ?? [])
          expect(chooseAccount(shuffled, HOUR, 600, now)).toEqual(
            chooseAccount(rota, HOUR, 600, now),
          )
        },
      ),
    )
  })

  it('starts whenever anybody may, never where nobody may, and waits only for what is to come', () => {
    fc.assert(
      fc.property(rotas, (drawn) => {
        const rota = toStandings(drawn)
        const able = rota.filter(
          (s) =>
            s.liveSessions < s.account.maxConcurrent &&
            s.grantedSeconds >= 600 &&
            (s.account.holdUntil === null || s.account.holdUntil <= now),
        )
        const choice = chooseAccount(rota, HOUR, 600, now)
        const kind = rota.length === 0 ? 'no-accounts' : able.length > 0 ? 'start' : 'wait'
        expect(choice.kind).toBe(kind)
        if (choice.kind === 'start') {
          expect(able.map(({ account }) => account)).toContain(choice.account)
          expect(choice.seconds).toBeGreaterThanOrEqual(600)
          expect(choice.seconds).toBeLessThanOrEqual(HOUR)
        }
        if (choice.kind === 'wait') expect(choice.until > now).toBe(true)
      }),
    )
  })
})
