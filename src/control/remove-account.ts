import type { Account } from '../rotation/account.ts'

/** What goes with an account, and what stays. */
export interface AccountContents {
  readonly account: Account
  /** Whether credentials are stored, which are deleted. */
  readonly hasCredentials: boolean
  /** They stay readable, as the hours do. */
  readonly sessions: number
}

export interface AccountRemovalPorts {
  readonly rows: {
    /** @throws AppError `not-found` (`account_unknown`), `conflict` (`account_busy`) */
    contents(name: string): Promise<AccountContents>
    /** Marks it removed and deletes its credentials, in one transaction. @throws AppError as `contents` */
    remove(name: string): Promise<void>
  }
  /** Forgets a sign-in that stands outside the database, where the account has one. */
  readonly removeSignIn: (account: Account) => Promise<void>
}

/** Takes an account out of the rotation for good; with `dryRun` it only says what would go. @throws AppError as the rows do */
export async function removeAccount(
  { rows, removeSignIn }: AccountRemovalPorts,
  name: string,
  dryRun: boolean,
): Promise<AccountContents> {
  const contents = await rows.contents(name)
  if (dryRun) return contents
  // First: cut short after it, the account is there, and the same command finishes it.
  await removeSignIn(contents.account)
  await rows.remove(contents.account.name)
  return contents
}
