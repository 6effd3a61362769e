import { createRoute } from '@hono/zod-openapi'
import { RemovalQuery, RunEvent } from '../api/schemas.ts'
import {
  AddedPolicy,
  NewPolicy,
  Policy,
  PolicyChange,
  PolicyRemoval,
  PolicyStop,
  PolicySummary,
} from '../api/serving-schemas.ts'
import type { Reads } from '../control/reads.ts'
import type { Removals } from '../control/removals.ts'
import { asPolicy, type Policy as DomainPolicy } from '../control/run-or-policy.ts'
import type { ServingOutlook } from '../control/serving-outlook.ts'
import type { PolicyChange as Change, WantedPolicy } from '../control/serving-policies.ts'
import { sha256Hex } from '../lib/random.ts'
import type { Session } from '../rotation/session.ts'
import { toOutlook, toPolicySummary } from './policy-views.ts'
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
import { emulatedNames, toEvent, toSession } from './views.ts'

export interface ServingPorts {
  readonly reads: Reads
  readonly addPolicy: (wanted: WantedPolicy, dryRun: boolean) => Promise<DomainPolicy>
  readonly changePolicy: (name: string, change: Change) => Promise<DomainPolicy>
  readonly stopPolicy: (
    name: string,
  ) => Promise<{ readonly policy: DomainPolicy; readonly live: readonly Session[] }>
  readonly servingOutlook: (policy: DomainPolicy) => Promise<ServingOutlook | null>
  readonly removals: Removals
  /** Where the node of a policy is reached through this service, by the policy's name. */
  readonly nodeAddress: (policy: string) => string
  readonly once: (key: string, request: string, work: () => Promise<string>) => Promise<string>
}

const list = createRoute({
  method: 'get',
  path: '/v1/serving',
  request: { query: PageQuery },
  responses: answersPage('All serving policies, newest first', PolicySummary),
})

const add = createRoute({
  method: 'post',
  path: '/v1/serving',
  request: { body: body(NewPolicy), headers: IdempotencyHeader },
  responses: answers(
    'The policy with what the plan makes of it; its first session is sought at the next tick',
    AddedPolicy,
  ),
})

const show = createRoute({
  method: 'get',
  path: '/v1/serving/{name}',
  request: { params: NameParam },
  responses: answers(
    'A policy by name or id, with the plan’s days and its newest sessions',
    Policy,
  ),
})

const change = createRoute({
  method: 'patch',
  path: '/v1/serving/{name}',
  description: 'Changes an open policy. Sessions that have begun go on as they are.',
  request: { params: NameParam, body: body(PolicyChange) },
  responses: answers('The policy as it is then, with what the plan makes of it', AddedPolicy),
})

const stop = createRoute({
  method: 'post',
  path: '/v1/serving/{name}/stop',
  request: { params: NameParam },
  responses: answers('What will really happen', PolicyStop),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/serving/{name}',
  request: { params: NameParam, query: RemovalQuery },
  responses: answers(
    'What goes with the policy; the hours it took stay in the books, and its adapter where it is',
    PolicyRemoval,
  ),
})

const events = createRoute({
  method: 'get',
  path: '/v1/serving/{name}/events',
  request: { params: NameParam, query: EventsQuery },
  responses: answersPage('What happened to a policy, oldest first', RunEvent),
})

/** Serving policies. */
export const servingRoutes = (ports: ServingPorts) => {
  const { reads } = ports
  const must = async (name: string) => asPolicy(await reads.run(name), name)
  const madeBy = async (policy: DomainPolicy): Promise<string | null> => {
    const row = await reads.artifactWith(String(policy.plan.adapter))
    return row ? ((await reads.run(row.runId))?.name ?? null) : null
  }
  const summary = async (policy: DomainPolicy, counts?: { sessions: number; live: number }) => {
    const sessions = counts ? [] : await reads.sessionsOf(policy.id)
    const live = sessions.filter(({ endedAt }) => endedAt === null).length
    const counted = counts ?? { sessions: sessions.length, live }
    return toPolicySummary(policy, {
      ...counted,
      run: await madeBy(policy),
      nodeAddress: ports.nodeAddress,
    })
  }
  const withOutlook = async (policy: DomainPolicy) => {
    const outlook = await ports.servingOutlook(policy)
    return { ...(await summary(policy)), outlook: outlook && toOutlook(outlook) }
  }
  return routes()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const { items, next } = await reads.policies(limit, cursor)
      const shown = items.map(({ policy, ...counts }) => summary(policy, counts))
      return c.json({ items: await Promise.all(shown), next }, 200)
    })
    .openapi(add, async (c) => {
      const { dryRun, ...wanted } = c.req.valid('json')
      const key = c.req.valid('header')['idempotency-key']
      const begin = async (id?: string) =>
        withOutlook(await ports.addPolicy(id === undefined ? wanted : { ...wanted, id }, dryRun))
      if (key === undefined || dryRun) return c.json(await begin(), 200)
      const request = `POST /v1/serving ${JSON.stringify(wanted)}`
      const answer = await ports.once(key, request, async () =>
        JSON.stringify(await begin(`pol_${sha256Hex(key).slice(0, 20)}`)),
      )
      return c.json(AddedPolicy.parse(JSON.parse(answer)), 200)
    })
    .openapi(show, async (c) => {
      const policy = await must(c.req.valid('param').name)
      const { items } = await reads.sessions({ run: policy.id }, 20, undefined)
      const emulated = await emulatedNames(reads)
      const recent = items.map((session) =>
        toSession(session, policy.name, emulated, ports.nodeAddress),
      )
      return c.json({ ...(await withOutlook(policy)), recent }, 200)
    })
    .openapi(change, async (c) => {
      const { name } = c.req.valid('param')
      const policy = await ports.changePolicy(name, c.req.valid('json'))
      return c.json(await withOutlook(policy), 200)
    })
    .openapi(stop, async (c) => {
      const { policy, live } = await ports.stopPolicy(c.req.valid('param').name)
      const state = live.length === 0 ? ('stopped' as const) : ('stopping' as const)
      const message =
        live.length === 0
          ? 'no session of it is live: it is stopped'
          : live.map(stopMessage).join('; ')
      return c.json({ policy: policy.name, state, message }, 200)
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      const { contents, state, why } =
        c.req.valid('query').dryRun === 'true'
          ? {
              contents: await ports.removals.runContents(name, 'policy'),
              state: 'kept' as const,
              why: null,
            }
          : await ports.removals.removeRun(name, 'policy')
      const { name: policy, id, sessions, events: told, ledgerRows } = contents
      return c.json({ policy, id, sessions, events: told, ledgerRows, state, why }, 200)
    })
    .openapi(events, async (c) => {
      const policy = await must(c.req.valid('param').name)
      const { limit, cursor, after } = c.req.valid('query')
      const found = await reads.events(cursor ?? after, limit, policy.id)
      const last = found.at(-1)
      const next = found.length === limit && last ? String(last.id) : null
      return c.json({ items: found.map(toEvent), next }, 200)
    })
}
