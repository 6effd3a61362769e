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

/** A Google client that only the emulated Google knows, which takes any. */
const emulatedClient = {
  GOOGLE_CLIENT_ID: 'emulated-client.apps.example.invalid',
  GOOGLE_CLIENT_SECRET: 'emulated',
}

/**
 * The settings beside the emulators: where the person chose neither a store nor a Google client, checkpoints go to the emulated
 * Drive, and Colab takes its turn. A data folder whose checkpoints stand in a folder keeps them there.
 */
export function besideEmulators(config: Config, hasFolderStore: boolean): Config {
  if (config.sources.RODIZIO_STORE !== 'default' || hasFolderStore) return config
  if (config.GOOGLE_CLIENT_ID || config.GOOGLE_CLIENT_SECRET) return config
  return { ...config, ...emulatedClient, RODIZIO_STORE: 'drive' }
}

/** Whether the sign-in at the emulated Google is made by the service itself. */
export const signsInItself = (config: Config): boolean =>
  config.GOOGLE_CLIENT_ID === emulatedClient.GOOGLE_CLIENT_ID
