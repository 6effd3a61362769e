import { expect, it } from 'vitest'
import { makePlan } from '../../../src/rotation/planner/make-plan.ts'
import type { PlanInput } from '../../../src/rotation/planner/plan-input.ts'
import { afterwards } from './afterwards.ts'
import { api, day, hour, input, person, run, saturday, weeksFrom } from './plan-world.ts'

const secondsPerStep = 64

it('spends at least 98 % of four weeks of hours on steps, followed stay by stay', () => {
  const end = saturday + 28 * day * 1000
  let world: PlanInput = input({
    nowMs: saturday,
    accounts: [
      api('ana', { weeks: weeksFrom(saturday + 7 * day * 1000, 28.5) }),
      person('bia', { weeks: weeksFrom(saturday + 7 * day * 1000, 38) }),
    ],
    runs: [
      run('r1', 1_000_000, {
        stepsPerHour: new Map([
          ['ana', 3600 / secondsPerStep],
          ['bia', 3600 / secondsPerStep],
        ]),
      }),
    ],
  })
  let booked = 0
  let steps = 0
  for (;;) {
    const plan = makePlan(world)
    const [stay] = plan.stays
    if (!stay || stay.startMs >= end) break
    booked += stay.seconds
    steps += stay.steps
    // A moment after the launch: the rest of the world as it would be, seven days ahead again.
    world = { ...afterwards(world, plan, stay.startMs + 1000), horizonSeconds: 7 * day }
  }
  const granted = 4 * (28.5 + 38) * hour
  expect(booked).toBeLessThanOrEqual(granted)
  expect((steps * secondsPerStep) / booked).toBeGreaterThanOrEqual(0.98)
  expect((steps * secondsPerStep) / granted).toBeGreaterThanOrEqual(0.98)
})
