import type { MiddlewareHandler } from 'hono'
import { AppError } from '../lib/errors.ts'
import { sameSecret } from '../lib/random.ts'

/** The secret of an `Authorization: Bearer …` header, empty when there is none. */
export const bearer = (header: string | undefined): string =>
  header?.match(/^Bearer +(\S+)$/i)?.[1] ?? ''

/** Lets requests with the admin token pass. @throws AppError `unauthorized` (`token_missing`, `token_wrong`) */
export const requireAdmin =
  (adminToken: string): MiddlewareHandler =>
  async (c, next) => {
    const given = bearer(c.req.header('authorization'))
    if (given === '') {
      throw new AppError('unauthorized', 'this call needs a token', {
        code: 'token_missing',
        next: 'Send "Authorization: Bearer rz_…"; commands read RODIZIO_TOKEN or the data folder',
      })
    }
    if (!sameSecret(given, adminToken)) {
      throw new AppError('unauthorized', 'this token is not valid here', {
        code: 'token_wrong',
        next: "Use the token in the file `token` of the service's data folder",
      })
    }
    await next()
  }
