import { AppError } from '../lib/errors.ts'
import {
  type Account,
  type ColabDriver,
  type ProviderName,
  providerDefaults,
  providerRules,
  type RulesOf,
  rulesOf,
} from '../rotation/account.ts'

/** What a Kaggle account proves itself with. */
export type Credentials =
  | { readonly kind: 'key'; readonly username: string; readonly key: string }
  | { readonly kind: 'token'; readonly username: string; readonly token: string }

export interface NewAccount {
  readonly name: string
  readonly owner: string
  readonly provider: ProviderName
  /** How sessions begin, at Colab alone; by a link when left out. */
  readonly driver?: ColabDriver | undefined
  readonly weeklyHours?: number | undefined
  readonly maxSessionHours?: number | undefined
  readonly credentials?: Credentials | undefined
  readonly acceptRules: boolean
}

/** What is remembered of accounts; secrets go in and out in clear and are sealed at rest. */
export interface AccountRows {
  all(): Promise<Account[]>
  named(name: string): Promise<Account | undefined>
  ofOwner(provider: ProviderName, owner: string, emulated: boolean): Promise<Account | undefined>
  rulesAccepted(rules: RulesOf): Promise<boolean>
  add(account: Account, credentials: Credentials | undefined): Promise<void>
  /** New credentials of an account that stands, its hold lifted. */
  renew(name: string, credentials: Credentials): Promise<void>
  credentials(name: string): Promise<Credentials | undefined>
}

const refusal = (message: string, code: string, next: string) =>
  new AppError('conflict', message, { code, next })

/**
 * Adds an account, or gives a known one new credentials.
 * @throws AppError `not-allowed` (`rules_not_accepted`), `conflict` (`second_account`, `account_exists`), `invalid`
 *   (`driver_unknown`, `driver_not_emulated`, `credentials_missing`)
 */
export async function addAccount(
  rows: AccountRows,
  wanted: NewAccount,
  emulated: boolean,
): Promise<Account> {
  const { name, provider, owner } = wanted
  checkDriver(wanted, emulated)
  const rules = rulesOf(provider, wanted.driver)
  if (!(await rows.rulesAccepted(rules)) && !wanted.acceptRules) {
    throw new AppError('not-allowed', `the rules of ${rules} have not been accepted`, {
      code: 'rules_not_accepted',
      next: `${providerRules[rules]} Accept them with --accept-rules`,
    })
  }
  if (provider === 'kaggle' && !wanted.credentials) {
    throw new AppError('invalid', `account ${name}: no Kaggle credentials were given`, {
      code: 'credentials_missing',
      next: 'Set KAGGLE_USERNAME and KAGGLE_KEY, or KAGGLE_API_TOKEN, then run the same command again',
    })
  }
  const known = await rows.named(name)
  if (known && known.provider !== 'local' && known.emulated !== emulated) {
    throw refusal(
      `${name} is the name of ${known.emulated ? 'an emulated account, made for trying the rotation' : 'a real account'}`,
      'account_exists',
      'Choose another name; rodizio accounts list shows which are emulated',
    )
  }
  if (known) {
    if (known.provider === provider && known.owner === owner && wanted.credentials) {
      await rows.renew(name, wanted.credentials)
      return known
    }
    throw refusal(
      `there is an account named ${name} already`,
      'account_exists',
      'Choose another name; rodizio accounts list shows them',
    )
  }
  const other = await rows.ofOwner(provider, owner, emulated)
  if (other) {
    throw refusal(
      `${owner} already lends a ${provider} account (${other.name}); several accounts of one person at one provider break that provider's rules`,
      'second_account',
      'Use that one, or name the other person with --owner',
    )
  }
  const byCli = (await rows.all()).find((account) => account.driver === 'cli')
  if (wanted.driver === 'cli' && byCli) {
    throw refusal(
      `${byCli.name} is driven by the command line of Colab already, which keeps one sign-in: one Google account only`,
      'second_account',
      'Use that one, or leave --driver out: a person then starts the sessions from a link',
    )
  }
  const defaults = providerDefaults[provider]
  const account: Account = {
    ...defaults,
    ...(wanted.driver === 'cli' ? ({ driver: 'cli', automation: 'api' } as const) : {}),
    name,
    owner,
    provider,
    username: wanted.credentials?.username ?? name,
    weeklySeconds: Math.round((wanted.weeklyHours ?? defaults.weeklySeconds / 3600) * 3600),
    maxSessionSeconds: Math.round(
      (wanted.maxSessionHours ?? defaults.maxSessionSeconds / 3600) * 3600,
    ),
    serves: false,
    emulated: provider !== 'local' && emulated,
    holdUntil: null,
    holdReason: null,
  }
  await rows.add(account, wanted.credentials)
  return account
}

function checkDriver({ provider, driver }: NewAccount, emulated: boolean): void {
  if (driver !== undefined && provider !== 'colab') {
    throw new AppError('invalid', `${provider} has no driver ${driver}: only colab has drivers`, {
      code: 'driver_unknown',
      next: 'Leave --driver out',
    })
  }
  // The program knows one address, Google's: beside emulators it would leave them.
  if (driver === 'cli' && emulated) {
    throw new AppError('invalid', 'the command line of Colab is not used beside the emulators', {
      code: 'driver_not_emulated',
      next: 'Set RODIZIO_EMULATORS=off and start the service again, on a data folder of its own',
    })
  }
}
