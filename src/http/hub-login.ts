import { createRoute } from '@hono/zod-openapi'
import { HubStatus, HubToken } from '../api/schemas.ts'
import type { HubAccess } from '../control/hub-access.ts'
import { answers, body, routes } from './routes.ts'

export interface HubLoginPorts {
  readonly hub: HubAccess
}

const keep = createRoute({
  method: 'put',
  path: '/v1/logins/hub',
  request: { body: body(HubToken) },
  responses: answers('The token works and is stored encrypted; it is never shown', HubStatus),
})

const status = createRoute({
  method: 'get',
  path: '/v1/logins/hub',
  responses: answers('Whether there is a token for the hub of models, and whose', HubStatus),
})

const forget = createRoute({
  method: 'delete',
  path: '/v1/logins/hub',
  responses: answers('The token is forgotten here; at the hub it goes on', HubStatus),
})

export const hubLoginRoutes = ({ hub }: HubLoginPorts) =>
  routes()
    .openapi(keep, async (c) => c.json(await hub.keep(c.req.valid('json').token), 200))
    .openapi(status, async (c) => c.json(await hub.status(), 200))
    .openapi(forget, async (c) => c.json(await hub.forget(), 200))
