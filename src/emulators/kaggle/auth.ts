import { sameSecret, sha256Hex } from '../../lib/random.ts'
import { ServiceError } from '../service-error.ts'
import type { EmulatedUsers } from './options.ts'

const KEY = /^[0-9a-f]{32}$/i

export interface Doorkeeper {
  /** The user of an `Authorization` header. Throws 401. */
  userOf(authorization: string | undefined): string
  /** The user of a bearer token, or null. */
  userOfToken(token: string): string | null
}

/** Who may come in: the listed users, or without a list any name with a 32-hex key and any `KGAT_` token. */
export function createDoorkeeper(users: EmulatedUsers | undefined): Doorkeeper {
  const userOfToken = (token: string): string | null => {
    if (!token.startsWith('KGAT_') || token.length < 10) return null
    if (!users) return `user${sha256Hex(token).slice(0, 8)}`
    const found = Object.entries(users).find(
      ([, user]) => user.token !== undefined && sameSecret(user.token, token),
    )
    return found?.[0] ?? null
  }

  const userOfKey = (encoded: string): string | null => {
    const [, user, key] = /^([^:]+):(.*)$/.exec(Buffer.from(encoded, 'base64').toString()) ?? []
    if (user === undefined || key === undefined || !KEY.test(key)) return null
    if (!users) return user
    const expected = Object.hasOwn(users, user) ? users[user]?.key : undefined
    return expected !== undefined && sameSecret(expected, key) ? user : null
  }

  return {
    userOfToken,
    userOf: (authorization) => {
      const [, scheme, value] = /^(\w+) +(\S+)$/.exec(authorization ?? '') ?? []
      const user =
        scheme?.toLowerCase() === 'bearer'
          ? userOfToken(value ?? '')
          : scheme?.toLowerCase() === 'basic'
            ? userOfKey(value ?? '')
            : null
      if (user === null) throw new ServiceError(401, 'Unauthorized access')
      return user
    },
  }
}
