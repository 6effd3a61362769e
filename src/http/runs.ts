import { createRoute } from '@hono/zod-openapi'
import {
  NewRun,
  RemovalQuery,
  Run,
  RunEvent,
  RunRemoval,
  RunSummary,
  StartedRun,
  StopAnswer,
} from '../api/schemas.ts'
import type { Finish } from '../control/plan-view.ts'
import type { Reads } from '../control/reads.ts'
import type { Removals } from '../control/removals.ts'
import { asTraining } from '../control/run-or-policy.ts'
import type { Outlook } from '../control/run-outlook.ts'
import type { StandingDesk } from '../control/standing-desk.ts'
import type { WantedRun } from '../control/start-run.ts'
import { sha256Hex } from '../lib/random.ts'
import type { Run as DomainRun } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import {
  answers,
  answersPage,
  body,
  EventsQuery,
  IdempotencyHeader,
  NameParam,
  PageQuery,
  routes,
} from './routes.ts'
import { stopMessage } from './stop-message.ts'
import { emulatedNames, toEvent, toRun, toRunSummary } from './views.ts'

export interface RunPorts {
  readonly reads: Reads
  readonly openedBy: StandingDesk['openedBy']
  readonly startRun: (wanted: WantedRun, dryRun: boolean) => Promise<DomainRun>
  readonly outlook: (run: DomainRun, lookAtRows: boolean) => Promise<Outlook>
  readonly askStop: (name: string) => Promise<{ run: DomainRun; session: Session | undefined }>
  readonly removals: Removals
  readonly finishOf: (run: DomainRun) => Promise<Finish | null>
  readonly once: (key: string, request: string, work: () => Promise<string>) => Promise<string>
  readonly artifactPath: (runId: string, label: string, generation: number) => string
}

const list = createRoute({
  method: 'get',
  path: '/v1/runs',
  request: { query: PageQuery },
  responses: answersPage('All runs, newest first', RunSummary),
})

const start = createRoute({
  method: 'post',
  path: '/v1/runs',
  request: {
    body: body(NewRun),
    headers: IdempotencyHeader,
  },
  responses: answers(
    'The run with what is to be expected of it; its first session is sought at the next tick',
    StartedRun,
  ),
})

const show = createRoute({
  method: 'get',
  path: '/v1/runs/{name}',
  request: { params: NameParam },
  responses: answers('A run by name or id, with its sessions and checkpoints', Run),
})

const stop = createRoute({
  method: 'post',
  path: '/v1/runs/{name}/stop',
  request: { params: NameParam },
  responses: answers('What will really happen', StopAnswer),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/runs/{name}',
  request: { params: NameParam, query: RemovalQuery },
  responses: answers(
    'What goes with the run, rows and stored files alike; the hours it took stay in the books',
    RunRemoval,
  ),
})

const events = createRoute({
  method: 'get',
  path: '/v1/runs/{name}/events',
  request: {
    params: NameParam,
    query: EventsQuery,
  },
  responses: answersPage('What happened to a run, oldest first', RunEvent),
})

export const runRoutes = (ports: RunPorts) => {
  const { reads } = ports
  const must = async (name: string): Promise<DomainRun> => asTraining(await reads.run(name), name)
  return routes()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const { items, next } = await reads.runs(limit, cursor)
      const shown = items.map(({ run, sessions }) => toRunSummary(run, sessions))
      return c.json({ items: shown, next }, 200)
    })
    .openapi(start, async (c) => {
      const { dryRun, ...wanted } = c.req.valid('json')
      const key = c.req.valid('header')['idempotency-key']
      const begin = async (id?: string) => {
        const run = await ports.startRun(id === undefined ? wanted : { ...wanted, id }, dryRun)
        const { predictions, warnings } = await ports.outlook(run, dryRun)
        return { ...toRunSummary(run, 0), predictions, warnings: [...warnings] }
      }
      if (key === undefined || dryRun) return c.json(await begin(), 200)
      const id = `run_${sha256Hex(key).slice(0, 20)}`
      const answer = await ports.once(key, `POST /v1/runs ${JSON.stringify(wanted)}`, async () =>
        JSON.stringify(await begin(id)),
      )
      // An answer that an earlier program stored has less.
      const stored = { priority: 0, predictions: null, warnings: [], ...JSON.parse(answer) }
      return c.json(StartedRun.parse(stored), 200)
    })
    .openapi(show, async (c) => {
      const run = await must(c.req.valid('param').name)
      const artifact = await reads.artifact(run.id)
      const parts = {
        finish: await ports.finishOf(run),
        standing: (await ports.openedBy(run.id)) ?? null,
        sessions: await reads.sessionsOf(run.id),
        emulated: await emulatedNames(reads),
        checkpoints: await reads.checkpoints(run.id),
        losses: await reads.losses(run.id),
        artifact,
        artifactPath: artifact
          ? ports.artifactPath(run.id, artifact.label, artifact.generation)
          : '',
      }
      return c.json(toRun(run, parts), 200)
    })
    .openapi(stop, async (c) => {
      const { run, session } = await ports.askStop(c.req.valid('param').name)
      const message = stopMessage(session)
      return c.json({ run: run.name, state: run.state, message }, 200)
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      const { contents, state, why } =
        c.req.valid('query').dryRun === 'true'
          ? { contents: await ports.removals.runContents(name), state: 'kept' as const, why: null }
          : await ports.removals.removeRun(name)
      const { name: run, ...parts } = contents
      return c.json({ run, ...parts, state, why }, 200)
    })
    .openapi(events, async (c) => {
      const run = await must(c.req.valid('param').name)
      const { limit, cursor, after } = c.req.valid('query')
      const found = await reads.events(cursor ?? after, limit, run.id)
      const last = found.at(-1)
      const next = found.length === limit && last ? String(last.id) : null
      return c.json({ items: found.map(toEvent), next }, 200)
    })
}
