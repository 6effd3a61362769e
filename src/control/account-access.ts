import { AppError } from '../lib/errors.ts'
import type { Account } from '../rotation/account.ts'
import type { AccountRows, Credentials } from './accounts.ts'

/** The part of a provider's client that proves credentials. */
export interface Provable {
  /** The user name behind the credentials, by a live call. */
  whoAmI(): Promise<string>
}

/** A provider's client for an account. @throws AppError `unauthorized` when nothing is stored for it */
export async function clientOf<C>(
  accounts: AccountRows,
  account: Account,
  connect: (credentials: Credentials) => C,
): Promise<C> {
  const credentials = await accounts.credentials(account.name)
  if (credentials) return connect(credentials)
  throw new AppError('unauthorized', `account ${account.name} has no stored credentials`, {
    next: `Add them with: rodizio accounts add ${account.name} --provider ${account.provider}`,
  })
}

/** Credentials as a person gave them; a token's user name is asked of the provider itself. */
export async function readCredentials(
  given: {
    readonly username?: string | undefined
    readonly key?: string | undefined
    readonly token?: string | undefined
  },
  connect: (credentials: Credentials) => Provable,
): Promise<Credentials | undefined> {
  const { username, key, token } = given
  if (token !== undefined) {
    const known = username ?? (await connect({ kind: 'token', username: '', token }).whoAmI())
    return { kind: 'token', username: known, token }
  }
  if (username === undefined || key === undefined) return undefined
  return { kind: 'key', username, key }
}

/** Whether an account works now, in a sentence. @throws AppError `not-found` (`account_unknown`) */
export async function testAccount(
  name: string,
  accounts: AccountRows,
  prove: (account: Account) => Promise<string>,
) {
  const account = await accounts.named(name)
  if (!account) throw unknownAccount(name)
  const { emulated } = account
  try {
    return { account: name, ok: true, message: await prove(account), next: null, emulated }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { account: name, ok: false, message: error.message, next: error.next ?? null, emulated }
  }
}

export const unknownAccount = (name: string) =>
  new AppError('not-found', `there is no account ${name}`, {
    code: 'account_unknown',
    next: 'rodizio accounts list shows all',
  })
