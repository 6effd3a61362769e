import { createRoute } from '@hono/zod-openapi'
import { NewServing, Serving } from '../api/serving-schemas.ts'
import type { ServingConsent } from '../control/accept-serving.ts'
import { answers, body, NameParam, routes } from './routes.ts'

export interface AccountServingPorts {
  readonly setServing: (
    name: string,
    wanted: { readonly serves: boolean; readonly acceptRules: boolean },
  ) => Promise<ServingConsent>
}

const accept = createRoute({
  method: 'put',
  path: '/v1/accounts/{name}/serving',
  description: 'Accepts the provider’s rule of serving for an account; again it changes nothing.',
  request: { params: NameParam, body: body(NewServing) },
  responses: answers('From now on its sessions may serve', Serving),
})

const revoke = createRoute({
  method: 'delete',
  path: '/v1/accounts/{name}/serving',
  description: 'Takes that back. Serving sessions go on to their end, no new ones are begun.',
  request: { params: NameParam },
  responses: answers('From now on no session that serves is begun there', Serving),
})

/** Which accounts may serve. */
export const accountServingRoutes = ({ setServing }: AccountServingPorts) =>
  routes()
    .openapi(accept, async (c) => {
      const { acceptRules } = c.req.valid('json')
      const wanted = { serves: true, acceptRules }
      return c.json(toServing(await setServing(c.req.valid('param').name, wanted)), 200)
    })
    .openapi(revoke, async (c) => {
      const wanted = { serves: false, acceptRules: false }
      return c.json(toServing(await setServing(c.req.valid('param').name, wanted)), 200)
    })

const toServing = ({ account, accepted, live }: ServingConsent): Serving => ({
  account: account.name,
  provider: account.provider,
  serves: account.serves,
  acceptedAt: accepted?.at.toISOString() ?? null,
  acceptedBy: accepted?.by ?? null,
  live,
})
