import { createRoute } from '@hono/zod-openapi'
import type { z } from 'zod'
import { NewToken, Token, TokenMade } from '../api/token-schemas.ts'
import type { Token as Kept, TokenDesk } from '../control/tokens.ts'
import { answers, answersPage, body, NameParam, routes } from './routes.ts'

export interface TokenPorts {
  readonly tokens: TokenDesk
}

const list = createRoute({
  method: 'get',
  path: '/v1/tokens',
  responses: answersPage('Tokens without their secrets, newest first', Token),
})

const create = createRoute({
  method: 'post',
  path: '/v1/tokens',
  description: 'The token itself is in this answer alone.',
  request: { body: body(NewToken) },
  responses: answers('The token', TokenMade),
})

const revoke = createRoute({
  method: 'delete',
  path: '/v1/tokens/{name}',
  request: { params: NameParam },
  responses: answers('What is good no longer', Token),
})

/** Tokens with scopes. */
export const tokenRoutes = ({ tokens }: TokenPorts) =>
  routes()
    .openapi(list, async (c) => {
      const items = (await tokens.list()).map(toWire)
      return c.json({ items, next: null }, 200)
    })
    .openapi(create, async (c) => {
      const { name, scopes, days } = c.req.valid('json')
      const { token, secret } = await tokens.create(name, scopes, days ?? null)
      return c.json({ ...toWire(token), token: secret }, 200)
    })
    .openapi(revoke, async (c) =>
      c.json(toWire(await tokens.revoke(c.req.valid('param').name)), 200),
    )

const toWire = (token: Kept): z.infer<typeof Token> => ({
  id: token.id,
  name: token.name,
  scopes: [...token.scopes],
  createdAt: token.createdAt.toISOString(),
  expiresAt: token.expiresAt?.toISOString() ?? null,
  lastUsedAt: token.lastUsedAt?.toISOString() ?? null,
  revokedAt: token.revokedAt?.toISOString() ?? null,
})
