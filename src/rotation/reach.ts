import type { ProviderName } from './account.ts'

/** What people call the places that sessions run at. */
export const placeNames: Readonly<Record<ProviderName, string>> = {
  kaggle: 'Kaggle',
  colab: 'Colab',
  local: 'this machine',
}

/** How this service gets an address that notebooks elsewhere can reach: the one wording of it. */
export const howToBeReached =
  'Put the service behind HTTPS (Caddy on the VM) and set RODIZIO_PUBLIC_URL, or, where cloudflared is installed, start it with: rodizio up --tunnel'

/** Why nothing is started at a place whose notebooks could not report here, and what to do about it. */
export const unreachableFrom = (place: string): string =>
  `notebooks at ${place} could not reach this service, which has no public address. ${howToBeReached}`
