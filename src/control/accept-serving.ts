import { AppError } from '../lib/errors.ts'
import { servingRules } from '../notebooks/serving-rules.ts'
import type { Account } from '../rotation/account.ts'

/** Whether an account may serve, who has said so and when, and what is being served on it. */
export interface ServingConsent {
  readonly account: Account
  /** Null where it may not, and of a machine of one's own, which has no rule to accept. */
  readonly accepted: { readonly by: string; readonly at: Date } | null
  /** Serving sessions there that have not ended. */
  readonly live: number
}

/** Acceptances in the database; each call is one transaction, and repeated it changes nothing. */
export interface ServingRows {
  /** @throws AppError `not-found` (`account_unknown`) */
  consent(name: string): Promise<ServingConsent>
  /** Notes its owner and the time, unless it has no rule, and lets the account serve. @throws as `consent` */
  accept(name: string, hasRule: boolean): Promise<ServingConsent>
  /** Sessions that have begun are left alone. @throws as `consent` */
  revoke(name: string): Promise<ServingConsent>
}

/**
 * Lets an account serve, or no longer.
 * @param wanted.serves whether it may from now on
 * @param wanted.acceptRules that its owner has read the provider's rule of serving and accepts it
 * @throws AppError `not-found` (`account_unknown`), `not-allowed` (`rules_not_accepted`)
 */
export async function setServing(
  rows: ServingRows,
  name: string,
  wanted: { readonly serves: boolean; readonly acceptRules: boolean },
): Promise<ServingConsent> {
  const { account } = await rows.consent(name)
  if (!wanted.serves) return rows.revoke(name)
  const rule = servingRules[account.provider]
  if (rule !== null && !account.serves && !wanted.acceptRules) {
    throw new AppError(
      'not-allowed',
      `the rule of ${account.provider} on serving has not been accepted for ${name}`,
      {
        code: 'rules_not_accepted',
        next: `${rule} Accept it with: rodizio accounts accept ${name} --serving --yes`,
      },
    )
  }
  return rows.accept(name, rule !== null)
}
