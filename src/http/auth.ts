import type { MiddlewareHandler } from 'hono'
import { AppError } from '../lib/errors.ts'
import { sameSecret } from '../lib/random.ts'
import { allowedFor, authorize, type Scope } from '../safekeeping/scopes.ts'

/** The secret of an `Authorization: Bearer …` header, empty when there is none. */
export const bearer = (header: string | undefined): string =>
  header?.match(/^Bearer +(\S+)$/i)?.[1] ?? ''

export interface KnownToken {
  readonly name: string
  readonly scopes: readonly Scope[]
}

/**
 * Lets requests pass whose token has a scope for them; the admin token has all. What no scope is for is the admin's. Whose call
 * it is stands as `who` from then on.
 * @throws AppError `unauthorized` (`token_missing`, `token_wrong`), `not-allowed` (`scope_missing`)
 */
export const requireScope =
  (
    adminToken: string,
    tokenOf: (secret: string) => Promise<KnownToken | null>,
  ): MiddlewareHandler =>
  async (c, next) => {
    const given = bearer(c.req.header('authorization'))
    if (given === '') {
      throw new AppError('unauthorized', 'this call needs a token', {
        code: 'token_missing',
        next: 'Send "Authorization: Bearer rz_…"; commands read RODIZIO_TOKEN or the data folder',
      })
    }
    if (sameSecret(given, adminToken)) c.set('who', 'admin')
    else {
      const token = await tokenOf(given)
      if (token === null) {
        throw new AppError('unauthorized', 'this token is not valid here', {
          code: 'token_wrong',
          next: "Use the token in the file `token` of the service's data folder, or one of rodizio token create",
        })
      }
      c.set('who', token.name)
      const { scopes: granted } = token
      const { method, path } = c.req
      if (!authorize(granted, method, path)) {
        const wanted = [...allowedFor(method, path), 'admin'].join(' or ')
        throw new AppError(
          'not-allowed',
          `this token may ${granted.join(', ')}, and not ${method} ${path}`,
          { code: 'scope_missing', next: `Use a token with the scope ${wanted}` },
        )
      }
    }
    await next()
  }
