import { createRoute } from '@hono/zod-openapi'
import { LoginStatus } from '../api/schemas.ts'
import type { GoogleSignIn } from '../control/google-sign-in.ts'
import { AppError } from '../lib/errors.ts'
import { answers, routes } from './routes.ts'

export interface LoginPorts {
  /** Undefined while no Google client is configured. */
  readonly google: GoogleSignIn | undefined
}

const begin = createRoute({
  method: 'post',
  path: '/v1/logins/google',
  responses: answers('What a person has to do: open the address and enter the code', LoginStatus),
})

const status = createRoute({
  method: 'get',
  path: '/v1/logins/google',
  responses: answers('How the sign-in at Google stands', LoginStatus),
})

const end = createRoute({
  method: 'delete',
  path: '/v1/logins/google',
  responses: answers('The sign-in is given back at Google and forgotten here', LoginStatus),
})

export const loginRoutes = ({ google }: LoginPorts) => {
  const must = (): GoogleSignIn => {
    if (google) return google
    throw new AppError('invalid', 'no Google client is configured', {
      code: 'google_client_missing',
      next: 'Make one (type: TVs and limited input devices) and set GOOGLE_CLIENT_FILE to its JSON file',
    })
  }
  return routes()
    .openapi(begin, async (c) => c.json(await must().begin(), 200))
    .openapi(status, async (c) => c.json(await must().status(), 200))
    .openapi(end, async (c) => c.json(await must().end(), 200))
}
