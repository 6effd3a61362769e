import { AppError } from '../lib/errors.ts'
import { servingRules } from '../notebooks/serving-rules.ts'
import {
  type Account,
  type ColabDriver,
  type ProviderName,
  providerDefaults,
  providerRules,
  type RulesOf,
  rulesOf,
} from '../rotation/account.ts'
import { checkHours, type PersonHours } from './people.ts'

/** What a Kaggle account proves itself with. */
export type Credentials =
  | { readonly kind: 'key'; readonly username: string; readonly key: string }
  | { readonly kind: 'token'; readonly username: string; readonly token: string }

/** An account of any time. */
export interface EveryAccount extends Account {
  /** Null while it is lent. */
  readonly removedAt: Date | null
}

export interface NewAccount extends PersonHours {
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
  /** Those that are lent. */
  all(): Promise<Account[]>
  /** Those of all times: one that was removed keeps its name. */
  every(): Promise<EveryAccount[]>
  /** One that is lent. */
  named(name: string): Promise<Account | undefined>
  ofOwner(provider: ProviderName, owner: string, emulated: boolean): Promise<Account | undefined>
  rulesAccepted(rules: RulesOf): Promise<boolean>
  /** Hours that its owner has used this week by an account that was removed since are charged to this one. */
  add(account: Account, credentials: Credentials | undefined, hours?: PersonHours): Promise<void>
  /** A removed account is lent again. */
  revive(account: Account, credentials: Credentials | undefined, hours?: PersonHours): Promise<void>
  /** New credentials of an account that stands, its hold lifted; without any, its owner's hours alone. */
  renew(name: string, credentials: Credentials | undefined, hours?: PersonHours): Promise<void>
  credentials(name: string): Promise<Credentials | undefined>
}

const refusal = (message: string, code: string, next: string) =>
  new AppError('conflict', message, { code, next })

/**
 * Adds an account, gives a known one new credentials or its owner other hours, or lends one again that was removed.
 * @throws AppError `not-allowed` (`rules_not_accepted`), `conflict` (`second_account`, `account_exists`), `invalid`
 *   (`driver_unknown`, `driver_not_emulated`, `credentials_missing`, `zone_unknown`, `waking_hours`)
 */
export async function addAccount(
  rows: AccountRows,
  wanted: NewAccount,
  emulated: boolean,
): Promise<Account> {
  const { name, provider, owner } = wanted
  checkDriver(wanted, emulated)
  checkHours(wanted)
  const { zone, waking } = wanted
  const hours = { zone, waking }
  const rules = rulesOf(provider, wanted.driver)
  if (!(await rows.rulesAccepted(rules)) && !wanted.acceptRules) {
    throw new AppError('not-allowed', `the rules of ${rules} have not been accepted`, {
      code: 'rules_not_accepted',
      next: `${providerRules[rules]} Accept them with --accept-rules`,
    })
  }
  const known = await rows.named(name)
  const isOwn = known?.provider === provider && known.owner === owner
  const hasHours = zone !== undefined || waking !== undefined
  if (provider === 'kaggle' && !wanted.credentials && !(isOwn && hasHours)) {
    throw new AppError('invalid', `account ${name}: no Kaggle credentials were given`, {
      code: 'credentials_missing',
      next: 'Set KAGGLE_USERNAME and KAGGLE_KEY, or KAGGLE_API_TOKEN, then run the same command again',
    })
  }
  if (known && known.provider !== 'local' && known.emulated !== emulated) {
    throw refusal(
      `${name} is the name of ${known.emulated ? 'an emulated account, made for trying the rotation' : 'a real account'}`,
      'account_exists',
      'Choose another name; rodizio accounts list shows which are emulated',
    )
  }
  if (known) {
    if (isOwn && (wanted.credentials || hasHours)) {
      await rows.renew(name, wanted.credentials, hours)
      return known
    }
    throw refusal(
      `there is an account named ${name} already`,
      'account_exists',
      'Choose another name; rodizio accounts list shows them',
    )
  }
  const former = (await rows.every()).find((account) => account.name === name)
  if (former) checkRevival(former, wanted, emulated)
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
    // A machine of one's own has no rule of serving to accept.
    serves: servingRules[provider] === null,
    emulated: provider !== 'local' && emulated,
    holdUntil: null,
    holdReason: null,
  }
  if (former) await rows.revive(account, wanted.credentials, hours)
  else await rows.add(account, wanted.credentials, hours)
  return account
}

/** The name of a removed account stays with its history: only the same account takes it up again. */
function checkRevival(former: Account, { provider, owner }: NewAccount, emulated: boolean): void {
  const isSame = former.provider === provider && former.owner === owner
  if (isSame && (provider === 'local' || former.emulated === emulated)) return
  throw refusal(
    `${former.name} is the name of an account that was removed: ${former.owner}'s at ${former.provider}${former.emulated ? ', emulated' : ''}; its sessions are still told under it`,
    'account_exists',
    'Choose another name; rodizio accounts list --all shows those removed',
  )
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
