import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import {
  Acknowledgement,
  Incident,
  IncidentSummary,
  NewSilence,
  Silence,
} from '../api/node-schemas.ts'
import type { IncidentDesk } from '../control/incidents.ts'
import { toIncident, toSilence } from './node-views.ts'
import { answers, answersPage, body, PageQuery, routes } from './routes.ts'

export interface IncidentPorts {
  readonly incidents: IncidentDesk
  readonly now: () => Date
}

const IdParam = z.object({ id: z.string().min(1).max(80) })

const list = createRoute({
  method: 'get',
  path: '/v1/incidents',
  request: {
    query: PageQuery.extend({
      open: z.enum(['true', 'false']).default('false').describe('only those that go on'),
      node: z.string().max(80).optional(),
    }),
  },
  responses: answersPage('Incidents, newest first', IncidentSummary),
})

const show = createRoute({
  method: 'get',
  path: '/v1/incidents/{id}',
  request: { params: IdParam },
  responses: answers('An incident with its record', Incident),
})

const acknowledge = createRoute({
  method: 'post',
  path: '/v1/incidents/{id}/acknowledgement',
  description: 'People are reminded of it no longer. Repeated it changes nothing.',
  request: { params: IdParam, body: body(Acknowledgement) },
  responses: answers('The incident as it is then', Incident),
})

const silences = createRoute({
  method: 'get',
  path: '/v1/silences',
  responses: answersPage('Silences and maintenance windows, those over left out', Silence),
})

const silence = createRoute({
  method: 'post',
  path: '/v1/silences',
  request: { body: body(NewSilence) },
  responses: answers('Nobody is told of what it covers; all of it stays on record', Silence),
})

const endSilence = createRoute({
  method: 'delete',
  path: '/v1/silences/{id}',
  request: { params: IdParam },
  responses: answers('What was taken back', Silence),
})

/** Incidents, who knows of them, and when nobody is to be told. */
export const incidentRoutes = ({ incidents, now }: IncidentPorts) => {
  const whole = (found: Awaited<ReturnType<IncidentDesk['must']>>): Incident => ({
    ...toIncident(found, now()),
    steps: found.steps.map(({ at, kind, words }) => ({ at: at.toISOString(), kind, words })),
  })
  return routes()
    .openapi(list, async (c) => {
      const { limit, cursor, open, node } = c.req.valid('query')
      const page = await incidents.list({ isOpen: open === 'true', node }, limit, cursor)
      const items = page.items.map((one) => toIncident(one, now()))
      return c.json({ items, next: page.next }, 200)
    })
    .openapi(show, async (c) => c.json(whole(await incidents.must(c.req.valid('param').id)), 200))
    .openapi(acknowledge, async (c) => {
      const { by } = c.req.valid('json')
      return c.json(whole(await incidents.acknowledge(c.req.valid('param').id, by)), 200)
    })
    .openapi(silences, async (c) => {
      const items = (await incidents.silences()).map(toSilence)
      return c.json({ items, next: null }, 200)
    })
    .openapi(silence, async (c) =>
      c.json(toSilence(await incidents.silence(c.req.valid('json'))), 200),
    )
    .openapi(endSilence, async (c) => {
      const ended = await incidents.endSilence(c.req.valid('param').id)
      return c.json(toSilence({ ...ended, nodeName: null }), 200)
    })
}
