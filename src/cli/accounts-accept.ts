import type { Command } from 'commander'
import type { Serving } from '../api/serving-schemas.ts'
import { AppError } from '../lib/errors.ts'
import { servingRules } from '../notebooks/serving-rules.ts'
import { askToAccept } from './ask-to-accept.ts'
import type { Context } from './context.ts'
import { counted } from './describe-removal.ts'
import { providerOf } from './notebook-flags.ts'

interface AcceptFlags {
  readonly serving?: boolean
  readonly yes?: boolean
  readonly revoke?: boolean
}

/** `rodizio accounts accept`: lets an account serve, once its provider's rule is accepted; takes that back. */
export function acceptCommand(accounts: Command, context: Context): void {
  accounts
    .command('accept <name>')
    .description("accept its provider's rule of serving for an account, which this command prints")
    .option('--serving', 'that it may serve a model; there is nothing else to accept here')
    .option('--yes', 'accept without being asked')
    .option(
      '--revoke',
      'take it back: no new session serves there, those that do go on to their end',
    )
    .addHelpText(
      'after',
      '\nWithout it no session of a serving policy is begun on the account. A machine of your own has no such rule and may serve at once.\n\nExamples:\n  rodizio accounts accept ana --serving\n  rodizio accounts accept ana --serving --yes\n  rodizio accounts accept ana --serving --revoke',
    )
    .action(async (name: string, flags: AcceptFlags) => {
      if (!flags.serving) {
        throw new AppError('invalid', 'accounts accept: what is to be accepted is missing', {
          next: `Write: rodizio accounts accept ${name} --serving`,
        })
      }
      const client = context.client()
      if (flags.revoke) {
        const taken = await client.revokeServing(name)
        context.answer(taken, () => revoked(taken))
        return
      }
      const account = await client.account(name)
      const rule = servingRules[providerOf(account.provider)]
      // Where nobody can be asked, the refusal tells it.
      if (rule !== null && !account.serves && (flags.yes === true || context.isTerminal))
        context.say(rule)
      const acceptRules =
        flags.yes === true || (rule !== null && !account.serves && (await askToAccept(context)))
      const serving = await client.acceptServing(name, { acceptRules })
      context.answer(serving, () => accepted(serving))
    })
}

function accepted({ account, acceptedBy, acceptedAt }: Serving): string {
  const who =
    acceptedAt === null
      ? 'a machine of your own has no rule of serving'
      : `accepted by ${acceptedBy} on ${acceptedAt.slice(0, 10)}`
  return `Account ${account} may serve: ${who}. What is served there: rodizio serve list`
}

function revoked({ account, live }: Serving): string {
  const goOn =
    live === 0
      ? 'Nothing is being served there'
      : `Its ${counted(live, 'serving session')} ${live === 1 ? 'goes' : 'go'} on to ${live === 1 ? 'its' : 'their'} end (rodizio sessions --open); rodizio serve stop ends a policy at once`
  return `Account ${account} gets no new sessions that serve. ${goOn}.`
}
