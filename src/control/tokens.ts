import { AppError } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import { type Scope, scopes } from '../safekeeping/scopes.ts'

/** A token as it is kept: its secret is not. */
export interface Token {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly createdAt: Date
  readonly expiresAt: Date | null
  /** Of the minute. */
  readonly lastUsedAt: Date | null
  readonly revokedAt: Date | null
}

export interface TokenRows {
  list(): Promise<readonly Token[]>
  /** @throws AppError `conflict` (`token_exists`) for a name that a token has which is not revoked */
  insert(token: Token, sha256: string): Promise<void>
  find(sha256: string): Promise<Token | undefined>
  /** A second time changes nothing. Undefined where there is none. */
  revoke(idOrName: string): Promise<Token | undefined>
  used(id: string): Promise<void>
}

/** `admin` is the admin token's own name. */
const nameForm = /^(?!admin$)[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/
const longestDays = 3650

/** Tokens with scopes, as the admin makes and takes them. */
export function tokenDesk(rows: TokenRows, now: () => Date) {
  return {
    list: rows.list,
    /**
     * The token itself is in the answer, and nowhere else ever.
     * @throws AppError `invalid` for a name, scopes or days that cannot be, `conflict` (`token_exists`)
     */
    async create(
      name: string,
      wanted: readonly string[],
      days: number | null,
    ): Promise<{ readonly token: Token; readonly secret: string }> {
      if (!nameForm.test(name)) {
        throw new AppError(
          'invalid',
          `${JSON.stringify(name.slice(0, 80))} is no name for a token`,
          {
            next: 'Letters, digits, . _ and -, at most 60, such as box-1',
          },
        )
      }
      const unknown = wanted.find((scope) => !scopes.includes(scope as Scope))
      if (unknown !== undefined || wanted.length === 0) {
        throw new AppError(
          'invalid',
          unknown === undefined
            ? 'a token needs a scope'
            : `there is no scope ${JSON.stringify(unknown)}`,
          { code: 'scope_unknown', next: `There are: ${scopes.join(', ')}` },
        )
      }
      if (days !== null && !(days > 0 && days <= longestDays)) {
        throw new AppError(
          'invalid',
          `a token lives between 0 and ${longestDays} days, not ${days}`,
        )
      }
      const at = now()
      // Letters and digits alone, so that the underscores part it.
      const id = sha256Hex(newSecret('id')).slice(0, 10)
      const secret = newSecret(`rz_${id}`)
      const token: Token = {
        id,
        name,
        scopes: [...new Set(wanted as readonly Scope[])],
        createdAt: at,
        expiresAt: days === null ? null : new Date(at.getTime() + days * 86_400_000),
        lastUsedAt: null,
        revokedAt: null,
      }
      await rows.insert(token, sha256Hex(secret))
      return { token, secret }
    },
    /** @throws AppError `not-found` (`token_unknown`) */
    async revoke(idOrName: string): Promise<Token> {
      const token = await rows.revoke(idOrName)
      if (token) return token
      throw new AppError(
        'not-found',
        `there is no token ${JSON.stringify(idOrName.slice(0, 80))}`,
        {
          code: 'token_unknown',
          next: 'rodizio token list shows them',
        },
      )
    },
    /** Whose secret it is, and what it may do; null for one that is not known, or no longer good. */
    async tokenOf(secret: string): Promise<Token | null> {
      if (!/^rz_[0-9a-f]{10}_/.test(secret)) return null
      const token = await rows.find(sha256Hex(secret))
      if (!token || token.revokedAt !== null) return null
      const at = now()
      if (token.expiresAt !== null && token.expiresAt <= at) return null
      const minute = 60_000
      if (token.lastUsedAt === null || at.getTime() - token.lastUsedAt.getTime() >= minute) {
        await rows.used(token.id)
      }
      return token
    },
  }
}

export type TokenDesk = ReturnType<typeof tokenDesk>
