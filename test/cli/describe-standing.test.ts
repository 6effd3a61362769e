import { describe, expect, it } from 'vitest'
import type { StandingRun, StandingRunDetails } from '../../src/api/standing-schemas.ts'
import {
  describeStanding,
  describeStandingRuns,
  describeStandingStart,
  durationText,
} from '../../src/cli/describe-standing.ts'

const now = new Date('2026-11-22T14:20:00Z')
const run: StandingRunDetails['runs'][number] = {
  id: 'run_1',
  name: 'weekly-1',
  engine: 'trl',
  state: 'completed',
  step: 120,
  targetSteps: 120,
  priority: 0,
  sessions: 2,
  waiting: null,
  failure: null,
  datasetVersion: 'ds_one',
  createdAt: '2026-11-20T12:00:00.000Z',
  endedAt: '2026-11-21T12:00:00.000Z',
  number: 1,
  because: 'first',
  openedAt: '2026-11-20T12:00:00.000Z',
  examples: 100,
  loss: { first: 2.5, last: 1.25, best: 1.1 },
  artifact: 'candidate',
}
const {
  number: _n,
  because: _b,
  openedAt: _o,
  examples: _e,
  loss: _l,
  artifact: _a,
  ...summary
} = run
const standing: StandingRun = {
  id: 'std_1',
  name: 'weekly',
  state: 'open',
  stoppedWhy: null,
  dataset: 'pira',
  engine: 'trl',
  everySeconds: 604_800,
  whenNew: 50,
  request: {},
  count: 1,
  last: summary,
  openRun: null,
  newExamples: 12,
  missing: 38,
  nextAt: '2026-11-27T12:00:00.000Z',
  waiting: 'the next run is opened at 2026-11-27T12:00:00.000Z, or once there are 38 more',
  createdAt: '2026-11-20T12:00:00.000Z',
  lastOpenedAt: '2026-11-20T12:00:00.000Z',
}
const details = { ...standing, runs: [run], fromAdapter: 'weekly-1', finish: null }
const listed = (changes: Partial<StandingRun>) =>
  describeStandingRuns([{ ...standing, ...changes }], now, 'UTC').split('\n')[1]
const shown = (changes: Partial<StandingRunDetails>) =>
  describeStanding({ ...details, ...changes }, now, 'UTC')

it.each([
  [604_800, '7d'],
  [86_400, '1d'],
  [129_600, '36h'],
  [5400, '90m'],
  [61, '61s'],
])('%i seconds are %s', (seconds, text) => expect(durationText(seconds)).toBe(text))

describe('a standing run in the list', () => {
  it.each([
    ['by time or examples', {}, 'every 7d or 50 new', 'Fri 27 Nov 12:00 or 38 examples more'],
    ['by time alone', { whenNew: null, missing: null }, 'every 7d', 'Fri 27 Nov 12:00'],
    [
      'by examples alone',
      { everySeconds: null, nextAt: null, missing: 1 },
      '50 new',
      '1 example more',
    ],
    [
      'behind an open run',
      { openRun: 'weekly-1' },
      'every 7d or 50 new',
      'after weekly-1, from Fri 27 Nov 12:00',
    ],
    [
      'overdue behind one',
      { openRun: 'weekly-1', nextAt: now.toISOString() },
      'every 7d or 50 new',
      'after weekly-1',
    ],
    ['due', { nextAt: now.toISOString(), missing: null }, 'every 7d or 50 new', 'now'],
    ['after a failure', { missing: null }, 'every 7d or 50 new', 'Fri 27 Nov 12:00'],
    ['stopped', { state: 'stopped' as const }, 'every 7d or 50 new', 'none'],
  ])('%s', (_why, changes, opens, next) => {
    expect(listed(changes)).toMatch(
      new RegExp(`^weekly +(open|stopped) +${opens} +weekly-1: completed +${next}$`),
    )
  })
})

describe('a standing run that is shown', () => {
  it('has its rule, its runs in order, and what is next and why', () => {
    const second: typeof run = {
      ...run,
      name: 'weekly-2',
      number: 2,
      because: 'examples',
      state: 'failed',
      step: 7,
      failure: 'line 9 is \u001b[31mbad',
      loss: null,
      artifact: null,
      examples: 160,
    }
    expect(shown({ runs: [run, second] })).toBe(
      [
        'Standing run weekly (std_1): open',
        '  opens a run every 7d, or when 50 training examples more are in pira; never two',
        '  data pira, engine trl',
        '',
        'RUN       OPENED            BY            EXAMPLES  STEP     LOSS           OUTCOME',
        'weekly-1  Fri 20 Nov 12:00  the first     100       120/120  2.500 → 1.250  completed',
        'weekly-2  Fri 20 Nov 12:00  new examples  160       7/120                   failed at step 7 of 120: line 9 is [31mbad',
        '',
        'Next: not before Fri 27 Nov 12:00 or 38 more examples in the data.',
        '  waiting: the next run is opened at 2026-11-27T12:00:00.000Z, or once there are 38 more',
        '  It begins with the adapter of weekly-1.',
      ].join('\n'),
    )
  })

  it('tells when its open run will be done, before which no other begins', () => {
    const finish = {
      likely: '2026-11-26T10:00:00.000Z',
      earliest: '2026-11-25T10:00:00.000Z',
      latest: '2026-11-27T10:00:00.000Z',
    }
    const open = { openRun: 'weekly-1', waiting: null, finish }
    expect(shown(open)).toContain(
      'Next: once weekly-1 is over (likely Thursday 26 November, ± 1 day), not before Fri 27 Nov 12:00 or 38 more examples in the data.',
    )
    expect(shown({ ...open, nextAt: null, everySeconds: null, missing: 0 })).toContain(
      'Next: once weekly-1 is over (likely Thursday 26 November, ± 1 day).',
    )
  })

  it('says why it is stopped, and what else goes on', () => {
    const why = '3 runs in a row have failed'
    const stopped = { state: 'stopped' as const, stoppedWhy: why }
    expect(shown(stopped)).toContain(`Standing run weekly (std_1): stopped, ${why}\n`)
    expect(shown(stopped)).toMatch(/Next: none\. It is stopped\.$/)
    expect(shown({ ...stopped, openRun: 'weekly-2' })).toMatch(/weekly-2 goes on to its end\.$/)
  })

  it('begins with the base, while no adapter is there', () => {
    expect(shown({ fromAdapter: null })).toContain('begins with the base alone')
  })
})

it('a start whose first run could not be opened says why', () => {
  const text = describeStandingStart(
    { standing: { ...standing, waiting: 'no room' }, run: null },
    false,
  )
  expect(text).toContain('No run is opened yet: no room')
})
