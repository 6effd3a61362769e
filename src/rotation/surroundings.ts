import type { Account } from './account.ts'
import type { Surroundings } from './engine/input.ts'
import type { TickPorts } from './tick-ports.ts'

/** What the engine has to know of the providers, asked anew for each look: an address can come or go. */
export const surroundings = (
  ports: Pick<TickPorts, 'emulated' | 'personSeconds' | 'providers'>,
  accounts: readonly Account[],
): Surroundings => ({
  emulated: ports.emulated,
  personSeconds: ports.personSeconds,
  providers: new Map(
    [...ports.providers].map(([name, provider]) => [
      name,
      {
        name: provider.name,
        appearsWithinSeconds: provider.appearsWithinSeconds,
        sealed: provider.sealed(),
        tells: new Set(
          accounts
            .filter((account) => account.provider === name && provider.tells(account))
            .map((account) => account.name),
        ),
      },
    ]),
  ),
})
