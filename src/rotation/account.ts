import type { WeekReset } from './week.ts'

export type ProviderName = 'kaggle' | 'colab' | 'local'
export type Automation = 'api' | 'person'
/** How sessions at Colab begin: a person opens a link, or the official command line starts them. */
export type ColabDriver = 'link' | 'cli'

/** One credentialed identity at a GPU provider, with the limits that the books keep for it. */
export interface Account {
  readonly name: string
  /** The person who lends it. */
  readonly owner: string
  readonly provider: ProviderName
  /** The name under which the provider knows it. */
  readonly username: string
  readonly automation: Automation
  /** Null but at Colab. */
  readonly driver: ColabDriver | null
  readonly weeklySeconds: number
  readonly reset: WeekReset
  readonly maxSessionSeconds: number
  readonly maxConcurrent: number
  /** Share of the week that is never planned, in percent. */
  readonly marginPercent: number
  /** Whether its provider's rule of serving has been accepted, where it has one. */
  readonly serves: boolean
  /** Made for the emulators: never shown to a real provider. */
  readonly emulated: boolean
  readonly holdUntil: Date | null
  readonly holdReason: string | null
}

const hour = 3600

/**
 * What an account gets when nobody says otherwise.
 * Kaggle: 30 h a week, reset Saturday 00:00 UTC, 9 h a session (a quota message of 2026-03 names 9 h, other
 * sources 12 h); Colab: 40 h a week as a starting guess, 12 h a session (its FAQ); local: the whole week.
 */
export const providerDefaults: Readonly<
  Record<
    ProviderName,
    Pick<
      Account,
      | 'automation'
      | 'driver'
      | 'weeklySeconds'
      | 'reset'
      | 'maxSessionSeconds'
      | 'maxConcurrent'
      | 'marginPercent'
    >
  >
> = {
  kaggle: {
    automation: 'api',
    driver: null,
    weeklySeconds: 30 * hour,
    reset: { weekday: 6, hour: 0, zone: 'UTC' },
    maxSessionSeconds: 9 * hour,
    maxConcurrent: 2,
    marginPercent: 5,
  },
  colab: {
    automation: 'person',
    driver: 'link',
    weeklySeconds: 40 * hour,
    reset: { weekday: 1, hour: 0, zone: 'UTC' },
    maxSessionSeconds: 12 * hour,
    maxConcurrent: 1,
    marginPercent: 5,
  },
  local: {
    automation: 'api',
    driver: null,
    weeklySeconds: 168 * hour,
    reset: { weekday: 1, hour: 0, zone: 'UTC' },
    maxSessionSeconds: 12 * hour,
    maxConcurrent: 1,
    marginPercent: 0,
  },
}

/** Whose rules of use are accepted: a provider's, or those of its command line, which go further. */
export type RulesOf = ProviderName | 'colab-cli'

export const rulesOf = (provider: ProviderName, driver: ColabDriver | null | undefined): RulesOf =>
  driver === 'cli' ? 'colab-cli' : provider

/** The provider's rules of use, shown and accepted once before its first account is added. */
export const providerRules: Readonly<Record<RulesOf, string>> = {
  kaggle:
    'Kaggle: one account per person, its phone verified; private notebooks only; no tunnels, no mining, no serving of models from a notebook. Rodízio pushes private notebooks, one at a time per run, and never more than your weekly GPU hours allow.',
  colab:
    'Colab: free runtimes are for interactive use: a person opens the notebook and runs it; no remote control, no web services, no second account to get round limits. Rodízio only prepares the notebook and tells you where it is.',
  'colab-cli':
    'Colab by its command line: Colab’s free plan is for interactive use. On free runtimes its FAQ forbids remote control and "bypassing the notebook UI", everywhere it forbids several accounts to get round limits, and it may end long unattended runs (https://research.google.com/colaboratory/faq.html, read 2026-11). The tool is Google’s own and names headless automation as a purpose, but waives none of this: whether the free plan bears it is for you to judge; on a paid plan the first two do not apply. One Google account only, never a second one. Rodízio starts one session at a time, with no trick to keep it alive.',
  local:
    'This machine: notebooks made by Rodízio run here as your own user, with your own electricity.',
}
