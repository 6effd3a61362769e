import { type LookupAddress, lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { AddressGuard } from './address-guard.ts'

/** In place of the system's resolver: all addresses of a name. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>

/** Answers with addresses of which each was let through, and connects to one of them: what is checked is what is used. */
export function guardedLookup(host: string, guard: AddressGuard, resolve: Resolve): LookupFunction {
  return (name, options, callback) => {
    resolve(name).then(
      (found) => {
        const refusal = guard.trusts(host) ? undefined : firstRefusal(found, host, guard)
        const [first] = found
        if (refusal || !first) {
          callback(refusal ?? new Error(`${host} has no address`), '', 0)
        } else if (options.all) callback(null, [...found])
        else callback(null, first.address, first.family)
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, '', 0), // a resolver's own error
    )
  }
}

function firstRefusal(
  found: readonly LookupAddress[],
  host: string,
  guard: AddressGuard,
): Error | undefined {
  for (const { address } of found) {
    try {
      guard.check(address, host)
    } catch (error) {
      return error as Error // `check` throws AppError alone
    }
  }
  return undefined
}

/** The system's own resolver. */
export const resolveAll: Resolve = (host) =>
  new Promise((settle, reject) => {
    lookup(host, { all: true }, (error, found) => (error ? reject(error) : settle(found)))
  })
