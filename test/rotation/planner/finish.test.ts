import { describe, expect, it } from 'vitest'
import { finishOf } from '../../../src/rotation/planner/finish.ts'
import { makePlan } from '../../../src/rotation/planner/make-plan.ts'
import type { PlanInput, PlanLive } from '../../../src/rotation/planner/plan-input.ts'
import { api, day, hourMs, input, monday, run, saturday, weeksFrom } from './plan-world.ts'

const finish = (of: PlanInput, id = 'one') => finishOf(of, makePlan(of), id)
const live = (expectedSteps: number, hours: number): PlanLive => ({
  account: 'ana',
  work: { kind: 'run', id: 'one' },
  endsMs: monday + hours * hourMs,
  expectedSteps,
})

describe('when a run will have its last step', () => {
  it('is what the plan says where that has it', () => {
    const of = input({ accounts: [api('ana')], runs: [run('one', 300)] })
    const planned = makePlan(of).finishes.get('one')
    expect(planned).toBeGreaterThan(monday + 3 * hourMs)
    expect(finish(of)).toBe(planned)
  })

  it('lies within a live session that has steps to spare, by as much as those take', () => {
    const of = input({ accounts: [api('ana')], runs: [run('one', 300)], live: [live(400, 6)] })
    expect(finish(of)).toBe(monday + 5 * hourMs)
    const most = { ...of, live: [live(100_000, 6)] }
    expect(finish(most)).toBe(monday)
  })

  it('goes on beyond the plan with the steps of its seven days again and again', () => {
    // 28 hours until Saturday, none after it: a little less than 2,800 steps in the plan.
    const accounts = [api('ana', { weeks: weeksFrom(saturday, 28, 0) })]
    const of = input({ accounts, runs: [run('one', 9000)] })
    const steps = makePlan(of).stays.reduce((sum, stay) => sum + stay.steps, 0)
    expect(steps).toBeGreaterThan(2500)
    expect(steps).toBeLessThan(2800)
    const weeks = 9000 / steps
    expect(finish(of)).toBeCloseTo(monday + weeks * 7 * day * 1000, -1)
  })

  it('counts the steps of the live session among those of the plan', () => {
    const accounts = [api('ana', { weeks: weeksFrom(saturday, 0) })]
    const of = input({ accounts, runs: [run('one', 1000)], live: [live(250, 3)] })
    expect(makePlan(of).stays).toEqual([])
    expect(finish(of)).toBe(monday + 4 * 7 * day * 1000)
  })

  it('cannot be said where nothing of it is planned, or there is no such run', () => {
    const accounts = [api('ana', { weeks: weeksFrom(saturday, 0) })]
    const of = input({ accounts, runs: [run('one', 1000)] })
    expect(finish(of)).toBeNull()
    expect(finish(of, 'two')).toBeNull()
  })
})
