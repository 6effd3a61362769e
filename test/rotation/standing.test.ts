import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RunState } from '../../src/rotation/run.ts'
import {
  type Because,
  decideStanding,
  failedInRow,
  type StandingFacts,
} from '../../src/rotation/standing.ts'

const DAY = 86_400
const monday = new Date('2026-03-09T09:00:00.000Z')
const days = (count: number): Date => new Date(monday.getTime() + count * DAY * 1000)

/** Weekly, its first run completed on Monday, 100 examples then and now. */
const weekly: StandingFacts = {
  everySeconds: 7 * DAY,
  whenNew: null,
  lastOpenedAt: monday,
  rowsThen: 100,
  rowsNow: 100,
  runs: ['completed'],
}
const both: StandingFacts = { ...weekly, whenNew: 50 }
const byExamples: StandingFacts = { ...both, everySeconds: null }
const wait = (what: string, until: Date | null, missing: number | null) => ({
  kind: 'wait',
  for: what,
  until,
  missing,
})
const opens = (because: Because) => ({ kind: 'open', because })
const first = { lastOpenedAt: null, rowsThen: 0, runs: [] }

describe('a standing run', () => {
  it.each([
    ['opens its first run at once', { ...weekly, ...first }, 0, opens('first')],
    ['also where only examples count', { ...byExamples, ...first }, 0, opens('first')],
    [
      'waits for its data set, which may come',
      { ...weekly, ...first, rowsNow: null },
      0,
      wait('data', null, null),
    ],
    ['waits for its period', weekly, 6.99, wait('period', days(7), null)],
    ['opens when that is over', weekly, 7, opens('period')],
    ['makes up for a missed month by one', weekly, 40, opens('period')],
    [
      'does so again only a period later',
      { ...weekly, lastOpenedAt: days(40) },
      46.9,
      wait('period', days(47), null),
    ],
    ['waits for enough examples', { ...byExamples, rowsNow: 149 }, 400, wait('examples', null, 1)],
    ['opens when there are so many more', { ...byExamples, rowsNow: 150 }, 0, opens('examples')],
    [
      'counts fewer than before as none new',
      { ...byExamples, rowsNow: 20 },
      9,
      wait('examples', null, 50),
    ],
    [
      'opens by examples before its period is over',
      { ...both, rowsNow: 150 },
      1,
      opens('examples'),
    ],
    ['opens by its period without them', { ...both, rowsNow: 149 }, 7, opens('period')],
    ['tells both that it waits for', { ...both, rowsNow: 120 }, 1, wait('period', days(7), 30)],
    [
      'lets a run that failed be, whatever is new',
      { ...both, rowsNow: 999, runs: ['failed'] },
      6.9,
      wait('period', days(7), null),
    ],
    ['tries again a period later', { ...both, runs: ['failed', 'failed'] }, 7, opens('period')],
    [
      'without a period, by new examples',
      { ...byExamples, rowsNow: 150, runs: ['failed'] },
      1,
      opens('examples'),
    ],
    [
      'goes on after a run that a person has stopped',
      { ...weekly, runs: ['stopped'] },
      7,
      opens('period'),
    ],
    [
      'ends when three in a row have failed',
      { ...weekly, runs: ['failed', 'failed', 'failed'] },
      0,
      { kind: 'stop', failed: 3 },
    ],
    [
      'not by three that do not follow each other',
      { ...weekly, runs: ['failed', 'failed', 'completed', 'failed'] },
      7,
      opens('period'),
    ],
    [
      'waits for its open run, however late',
      { ...both, rowsNow: 999, runs: ['training', 'failed', 'failed', 'failed'] },
      99,
      wait('run', days(7), 0),
    ],
  ] as const)('%s', (_why, facts, day, verdict) => {
    expect(decideStanding(facts as StandingFacts, days(day))).toEqual(verdict)
  })

  it('counts failures from the newest run on', () => {
    expect(failedInRow([])).toBe(0)
    expect(failedInRow(['failed', 'failed'])).toBe(2)
    expect(failedInRow(['training', 'failed'])).toBe(0)
  })
})

/** What may happen to a standing run between two looks. */
const happenings = fc.oneof(
  fc.record({
    kind: fc.constant('clock' as const),
    seconds: fc.integer({ min: -60 * DAY, max: 60 * DAY }),
  }),
  fc.record({ kind: fc.constant('clock' as const), seconds: fc.constantFrom(0, 1, DAY, 7 * DAY) }),
  fc.record({
    kind: fc.constant('run' as const),
    state: fc.constantFrom<RunState>('training', 'stopping', 'completed', 'failed', 'stopped'),
  }),
  fc.record({
    kind: fc.constant('data' as const),
    rows: fc.option(fc.integer({ min: 0, max: 400 })),
  }),
)
const rhythms = fc.constantFrom(
  { everySeconds: 7 * DAY, whenNew: null },
  { everySeconds: null, whenNew: 50 },
  { everySeconds: 7 * DAY, whenNew: 50 },
)

interface Opened {
  readonly at: Date
  readonly because: Because
  readonly rowsBefore: number
  readonly rows: number
  readonly statesBefore: readonly RunState[]
}

/** Everything that a standing run opens while all that happens, a look after each. */
function life(
  rhythm: { everySeconds: number | null; whenNew: number | null },
  all: readonly { kind: string; seconds?: number; state?: RunState; rows?: number | null }[],
) {
  let now = monday
  let facts: StandingFacts = { ...rhythm, ...first, rowsNow: 100 }
  const opened: Opened[] = []
  for (const one of [{ kind: 'look' }, ...all]) {
    if ('seconds' in one && one.seconds !== undefined)
      now = new Date(now.getTime() + one.seconds * 1000)
    if ('rows' in one && one.rows !== undefined) facts = { ...facts, rowsNow: one.rows }
    if ('state' in one && one.state !== undefined && facts.runs.length > 0) {
      const isOpen =
        facts.runs[0] === 'queued' || facts.runs[0] === 'training' || facts.runs[0] === 'stopping'
      if (isOpen) facts = { ...facts, runs: [one.state, ...facts.runs.slice(1)] }
    }
    const verdict = decideStanding(facts, now)
    if (verdict.kind === 'stop') break
    if (verdict.kind === 'wait') continue
    const rows = facts.rowsNow ?? 0
    opened.push({
      at: now,
      because: verdict.because,
      rowsBefore: facts.rowsThen,
      rows,
      statesBefore: facts.runs,
    })
    facts = { ...facts, lastOpenedAt: now, rowsThen: rows, runs: ['queued', ...facts.runs] }
  }
  return { opened, facts, now }
}

describe('whatever happens, a standing run', () => {
  const lives = [rhythms, fc.array(happenings, { maxLength: 60 })] as const

  it('never has two open', () => {
    fc.assert(
      fc.property(...lives, (rhythm, all) => {
        for (const { statesBefore } of life(rhythm, all).opened) {
          for (const state of statesBefore) {
            expect(['completed', 'failed', 'stopped']).toContain(state)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('never opens two in one period by time, also when the clock goes back', () => {
    fc.assert(
      fc.property(...lives, (rhythm, all) => {
        const { opened } = life(rhythm, all)
        for (const [index, one] of opened.entries()) {
          const before = opened[index - 1]
          if (!before) continue
          if (one.because === 'period') {
            expect(one.at.getTime() - before.at.getTime()).toBeGreaterThanOrEqual(7 * DAY * 1000)
          } else {
            // What is not opened by time has really new examples behind it.
            expect(one.because).toBe('examples')
            expect(one.rows - one.rowsBefore).toBeGreaterThanOrEqual(50)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('opens nothing right after a failed run, and nothing after three', () => {
    fc.assert(
      fc.property(...lives, (rhythm, all) => {
        const { opened } = life(rhythm, all)
        for (const { statesBefore, because } of opened) {
          expect(failedInRow(statesBefore)).toBeLessThan(3)
          if (statesBefore[0] === 'failed' && rhythm.everySeconds !== null) {
            expect(because).toBe('period')
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('opens the next one by and by, unless it is stopped: time passes and its run ends', () => {
    fc.assert(
      fc.property(...lives, (rhythm, all) => {
        const { opened, facts, now } = life(rhythm, all)
        if (failedInRow(facts.runs) >= 3) return
        const ended = facts.runs.map((state) => (state === 'failed' ? state : 'completed'))
        const much = { ...facts, runs: ended, rowsNow: facts.rowsThen + 50 }
        const late = new Date(
          Math.max(now.getTime(), facts.lastOpenedAt?.getTime() ?? 0) + 7 * DAY * 1000,
        )
        expect(decideStanding(much, late).kind).toBe('open')
        expect(opened.length).toBeGreaterThan(0)
      }),
      { numRuns: 500 },
    )
  })
})
