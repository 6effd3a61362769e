import { createRoute, z } from '@hono/zod-openapi'
import { Plan } from '../api/schemas.ts'
import type { PlanView } from '../control/plan-view.ts'
import { answers, routes } from './routes.ts'
import { toFinish } from './views.ts'

export interface PlanPorts {
  readonly plan: (withReasons: boolean) => Promise<PlanView>
}

const show = createRoute({
  method: 'get',
  path: '/v1/plan',
  request: {
    query: z.object({
      explain: z
        .enum(['true', 'false'])
        .default('false')
        .describe('tell of each planned session what bound it, and who would have been next'),
    }),
  },
  responses: answers('The seven days to come, as the next look at the world would plan them', Plan),
})

export const planRoutes = ({ plan }: PlanPorts) =>
  routes().openapi(show, async (c) =>
    c.json(toPlan(await plan(c.req.valid('query').explain === 'true')), 200),
  )

const kindOf = ({ serves }: { readonly serves: boolean }) => (serves ? 'policy' : 'run')
const hours = (seconds: number): number => seconds / 3600

const toPlan = (view: PlanView): Plan => ({
  madeAt: view.made.toISOString(),
  until: view.until.toISOString(),
  accounts: view.accounts.map(({ weeks, ...account }) => ({
    ...account,
    weeks: weeks.map(({ start, end, leftSeconds }) => ({
      startsAt: start.toISOString(),
      endsAt: end.toISOString(),
      leftHours: hours(leftSeconds),
    })),
  })),
  stays: view.stays.map((stay) => ({
    account: stay.account,
    kind: kindOf(stay),
    work: stay.work,
    state: stay.state,
    startsAt: stay.start.toISOString(),
    endsAt: stay.end.toISOString(),
    hours: hours(stay.seconds),
    steps: stay.steps,
    bound: stay.bound,
    runnerUp: stay.runnerUp,
  })),
  waits: view.waits.map((wait) => ({
    kind: kindOf(wait),
    work: wait.work,
    why: wait.why,
    until: wait.until?.toISOString() ?? null,
  })),
  finishes: Object.fromEntries(
    [...view.finishes].map(([run, finish]) => [run, finish && toFinish(finish)]),
  ),
  unservedHours: Object.fromEntries(
    [...view.unserved].map(([policy, seconds]) => [policy, hours(seconds)]),
  ),
})
