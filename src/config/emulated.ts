import type { Config } from './schema.ts'

/**
 * Whether the emulators stand in for outside services: as told, else while nothing real is known: no address, no credentials
 * in the settings, no real account in the books.
 */
export function usesEmulators(config: Config, hasRealAccount: boolean): boolean {
  if (config.RODIZIO_EMULATORS !== 'auto') return config.RODIZIO_EMULATORS === 'on'
  if (config.sources.RODIZIO_KAGGLE_URL !== 'default') return false
  if (config.KAGGLE_API_TOKEN || (config.KAGGLE_USERNAME && config.KAGGLE_KEY)) return false
  return !hasRealAccount
}
