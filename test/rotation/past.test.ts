import { expect, it } from 'vitest'
import { launchOf } from '../../src/rotation/engine/past.ts'
import type { Outcome } from '../../src/rotation/session.ts'
import { sessionOf } from '../store/fixture.ts'

const at = (minutes: number) => new Date(Date.UTC(2026, 2, 10, 12, minutes))
/** A session that was sent off at 12:00 and ready, or at its first step, at 12:08. */
const ended = (minutes: number, outcome: Outcome, serves: boolean) =>
  sessionOf({
    serves,
    createdAt: at(0),
    launchedAt: at(0),
    enrolledAt: at(1),
    trainingAt: at(8),
    endedAt: at(minutes),
    outcome,
  })

it.each([
  ['failed', 12, true, true],
  ['lost', 17, true, true],
  ['preempted', 17.9, true, true],
  ['failed', 18, true, false],
  ['cancelled', 9, true, false],
  ['limit', 9, true, false],
  ['failed', 12, false, false],
] as const)(
  '%s at 12:%d, serving: %s; a launch that failed: %s',
  (outcome, minutes, serves, failed) => {
    const launch = launchOf(ended(minutes, outcome, serves))
    expect(launch).toEqual({ atMs: (failed ? at(minutes) : at(0)).getTime(), failed })
  },
)
