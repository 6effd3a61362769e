import { secondsBetween } from '../lib/clock.ts'
import type { Account } from './account.ts'
import { isUsed } from './engine/look.ts'
import type { TickPorts } from './tick-ports.ts'

/** While nothing trains, the providers' books are read this often, in seconds. */
const idleQuotaAgeSeconds = 900

/** Reads the providers' own books again where ours of them are old. What cannot be read now keeps its last reading. */
export async function readBooks(
  ports: TickPorts,
  accounts: readonly Account[],
  isTraining: boolean,
): Promise<void> {
  const maxAge = isTraining ? ports.quotaMaxAgeSeconds : idleQuotaAgeSeconds
  const now = ports.now()
  const due = accounts.filter((account) => {
    const asked = ports.quotaAsked.get(account.name)
    const age = asked ? secondsBetween(asked, now) : Number.POSITIVE_INFINITY
    return isUsed(ports, account) && (age < 0 || age >= maxAge)
  })
  await Promise.all(
    due.map(async (account) => {
      ports.quotaAsked.set(account.name, now)
      try {
        const reading = await ports.providers.get(account.provider)?.quota(account)
        if (reading) await ports.store.apply({ kind: 'read-books', reading })
      } catch (error) {
        ports.trouble(error, {})
      }
    }),
  )
}
