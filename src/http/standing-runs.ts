import { createRoute } from '@hono/zod-openapi'
import { RemovalQuery } from '../api/schemas.ts'
import {
  NewStandingRun,
  StandingRemoval,
  StandingRun,
  StandingRunDetails,
  StandingStop,
  StandingStopAnswer,
  StartedStandingRun,
} from '../api/standing-schemas.ts'
import type { Finish } from '../control/plan-view.ts'
import type { Reads } from '../control/reads.ts'
import type { Outlook } from '../control/run-outlook.ts'
import type { StandingDesk } from '../control/standing-desk.ts'
import { sha256Hex } from '../lib/random.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import {
  answers,
  answersPage,
  body,
  IdempotencyHeader,
  NameParam,
  PageQuery,
  routes,
} from './routes.ts'
import { toStanding, toStandingDetails } from './standing-views.ts'
import { stopMessage } from './stop-message.ts'
import { toRunSummary } from './views.ts'

export interface StandingRunPorts {
  readonly reads: Reads
  readonly standing: StandingDesk
  readonly outlook: (run: Run, lookAtRows: boolean) => Promise<Outlook>
  readonly askStop: (name: string) => Promise<{ run: Run; session: Session | undefined }>
  readonly finishOf: (run: Run) => Promise<Finish | null>
  readonly once: (key: string, request: string, work: () => Promise<string>) => Promise<string>
}

const list = createRoute({
  method: 'get',
  path: '/v1/standing-runs',
  request: { query: PageQuery },
  responses: answersPage('All standing runs, newest first', StandingRun),
})

const start = createRoute({
  method: 'post',
  path: '/v1/standing-runs',
  request: { body: body(NewStandingRun), headers: IdempotencyHeader },
  responses: answers(
    'The standing run, and its first run, which is opened at once; or what they would be',
    StartedStandingRun,
  ),
})

const show = createRoute({
  method: 'get',
  path: '/v1/standing-runs/{name}',
  request: { params: NameParam },
  responses: answers('A standing run by name or id, with its runs', StandingRunDetails),
})

const stop = createRoute({
  method: 'post',
  path: '/v1/standing-runs/{name}/stop',
  request: { params: NameParam, body: body(StandingStop) },
  responses: answers('What will really happen', StandingStopAnswer),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/standing-runs/{name}',
  request: { params: NameParam, query: RemovalQuery },
  responses: answers('The record that goes; its runs stay', StandingRemoval),
})

/** So many of its runs are shown of one standing run. */
const mostRuns = 50

export const standingRunRoutes = (ports: StandingRunPorts) => {
  const { reads, standing: desk } = ports
  const sessionsOf = async (run: Run) => (await reads.sessionsOf(run.id)).length
  return routes()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const { items, next } = await desk.list(limit, cursor)
      const shown: StandingRun[] = []
      for (const view of items) shown.push(await toStanding(view, sessionsOf))
      return c.json({ items: shown, next }, 200)
    })
    .openapi(start, async (c) => {
      const { dryRun, run: asked, name, everySeconds = null, whenNew = null } = c.req.valid('json')
      const { smoke, ...request } = asked
      const wanted = { name, everySeconds, whenNew, smoke, request }
      const key = c.req.valid('header')['idempotency-key']
      const told = async (run: Run | null, lookAtRows: boolean) => {
        if (!run) return null
        const { predictions, warnings } = await ports.outlook(run, lookAtRows)
        return { ...toRunSummary(run, 0), predictions, warnings: [...warnings] }
      }
      if (dryRun) {
        const { view, run } = await desk.dryRun(wanted)
        const standing = await toStanding(view, sessionsOf)
        return c.json({ standing, run: await told(run, true) }, 200)
      }
      const begin = async (id?: string): Promise<StartedStandingRun> => {
        const view = await desk.start({ ...wanted, id })
        const [first] = view.runs
        const standing = await toStanding(view, sessionsOf)
        return { standing, run: await told(first?.run ?? null, false) }
      }
      if (key === undefined) return c.json(await begin(), 200)
      const id = `std_${sha256Hex(key).slice(0, 20)}`
      const text = `POST /v1/standing-runs ${JSON.stringify(wanted)}`
      const answer = await ports.once(key, text, async () => JSON.stringify(await begin(id)))
      return c.json(StartedStandingRun.parse(JSON.parse(answer)), 200)
    })
    .openapi(show, async (c) => {
      const view = await desk.show(c.req.valid('param').name)
      const runs = view.runs.slice(-mostRuns)
      const losses = new Map<string, number[]>()
      for (const { run } of runs) {
        losses.set(
          run.id,
          (await reads.losses(run.id)).map(({ loss }) => loss),
        )
      }
      const from = view.fromAdapter === null ? null : await reads.run(view.fromAdapter)
      const details = await toStandingDetails({ ...view, runs }, sessionsOf, {
        losses,
        fromAdapter: from?.name ?? view.fromAdapter,
        finish: view.openRun && (await ports.finishOf(view.openRun)),
      })
      return c.json(details, 200)
    })
    .openapi(stop, async (c) => {
      const { run: withRun } = c.req.valid('json')
      const { standing, openRun } = await desk.stop(c.req.valid('param').name)
      let message = 'no run of it is open, and no other one is opened'
      if (openRun && !withRun) {
        message = `no other run is opened; its run ${openRun.name} goes on to its end`
      }
      if (openRun && withRun) {
        const { session } = await ports.askStop(openRun.id)
        message = `no other run is opened; of its run ${openRun.name}, ${stopMessage(session)}`
      }
      const name = openRun?.name ?? null
      return c.json({ standing: standing.name, state: standing.state, openRun: name, message }, 200)
    })
    .openapi(remove, async (c) => {
      const isDry = c.req.valid('query').dryRun === 'true'
      const { standing, runs } = await desk.remove(c.req.valid('param').name, isDry)
      const answer = {
        standing: standing.name,
        id: standing.id,
        runs: runs.length,
        lastRun: runs.at(-1)?.run.name ?? null,
        state: isDry ? ('kept' as const) : ('removed' as const),
      }
      return c.json(answer, 200)
    })
}
