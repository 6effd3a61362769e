import { describe, expect, it } from 'vitest'
import { boundWords, wordsOf } from '../../src/rotation/engine/words-of.ts'
import type { Constraint } from '../../src/rotation/planner/plan.ts'
import { accountOf, runOf } from '../store/fixture.ts'

const reset = { weekday: 1, hour: 0, zone: 'America/Sao_Paulo' }
const state = {
  runs: new Map([['run_one', runOf('one')]]),
  accounts: new Map([
    ['ana', accountOf('ana', { reset, holdReason: 'no GPU was granted' })],
    ['bia', accountOf('bia')],
  ]),
}
/** Midnight in São Paulo: the day is told on the account's own calendar. */
const weekStartMs = Date.parse('2026-11-23T03:00:00Z')

const table: readonly (readonly [Constraint, string, string])[] = [
  [
    { kind: 'hours', account: 'ana', weekStartMs },
    "ana: this week's GPU hours are spent or booked",
    'the GPU hours of ana in its week from Monday 23 November',
  ],
  [
    { kind: 'hours', account: 'ana', weekStartMs: weekStartMs - 60_000 },
    "ana: this week's GPU hours are spent or booked",
    'the GPU hours of ana in its week from Sunday 22 November',
  ],
  [
    { kind: 'session-limit', account: 'ana' },
    'ana: no session there is longer',
    'the longest session that ana takes',
  ],
  [
    { kind: 'run-limit', run: 'run_one' },
    'run one asks for no longer session',
    'the longest session that run one asks for',
  ],
  [{ kind: 'need', run: 'run_one' }, 'run one needs no more', 'the steps that run one still needs'],
  [{ kind: 'window', policy: 'run_one' }, 'the window of one ends', 'the end of a window of one'],
  [
    { kind: 'reserve', policy: 'run_one', account: 'ana' },
    'ana: its hours are kept for the windows of one',
    'the hours of ana that are kept for the windows of one',
  ],
  [
    { kind: 'hold', account: 'ana' },
    'ana: no GPU was granted',
    'the hold on ana (no GPU was granted)',
  ],
  [
    { kind: 'hold', account: 'bia' },
    'bia: left alone for a while after launches that failed',
    'the hold on bia',
  ],
  [
    { kind: 'slots', account: 'ana' },
    'ana: busy with another session',
    'the other sessions of ana',
  ],
  [
    { kind: 'person', account: 'ana' },
    'ana: its person is asleep or away',
    'the hours in which the person of ana is there',
  ],
  [
    { kind: 'one-session', run: 'run_gone' },
    'run run_gone has its session elsewhere',
    'run run_gone having one session at a time',
  ],
  [{ kind: 'none' }, 'a better moment is near', "nothing but the plan's own end"],
]

describe('a constraint in words', () => {
  it.each(table)('%o', (by, wait, bound) => {
    expect(wordsOf(by, state)).toBe(wait)
    expect(boundWords(by, state)).toBe(bound)
  })
})
