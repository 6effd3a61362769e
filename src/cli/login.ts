import type { Command } from 'commander'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { askSecret } from './ask-secret.ts'
import type { Context } from './context.ts'
import { givenHubToken, toldOfHub } from './hub-token.ts'

/** `rodizio login …` and `logout …`: the sign-in that checkpoints on Drive live on, and the token that gated bases want. */
export function loginCommands(program: Command, context: Context): void {
  const login = program.command('login').description('sign in at outside services')
  login
    .command('google')
    .description('sign in at Google by a code, so that checkpoints can live on your Drive')
    .option('--status', 'only say how the sign-in stands')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio login google\n  rodizio login google --status --json',
    )
    .action(async (flags: { status?: boolean }) => {
      const client = context.client()
      if (flags.status) {
        const status = await client.loginStatus()
        context.answer(status, () => `Sign-in at Google: ${status.state}`)
        return
      }
      const begun = await client.beginLogin()
      context.say(
        `Open ${begun.verificationUrl} on any device and enter the code ${begun.userCode}`,
      )
      if ((await client.health()).emulated.includes('drive')) {
        context.say('Google is emulated here: an emulated person approves this in a moment.')
      }
      context.say('Rodízio will see only the files that it makes itself. Waiting …')
      for (;;) {
        await systemClock.sleep(1000)
        const status = await client.loginStatus()
        if (status.state === 'waiting') continue
        if (status.state !== 'good') {
          throw new AppError(
            'not-allowed',
            `the sign-in at Google was not granted (${status.state})`,
            {
              code: 'google_not_granted',
              next: 'Begin again with: rodizio login google',
            },
          )
        }
        context.answer(status, () => 'Signed in at Google.')
        return
      }
    })
  login
    .command('hub')
    .description(
      'give the service a token of the Hugging Face hub: to read, for bases that ask for an accepted licence; to write, for adapters that are published there',
    )
    .option('--status', 'only say whether there is one, and whose')
    .addHelpText(
      'after',
      '\nIt is asked for without showing it, or taken from RODIZIO_HUB_TOKEN, HF_TOKEN or a pipe; stored encrypted, and never given to a session.\n\nExamples:\n  rodizio login hub\n  rodizio login hub < token-file\n  rodizio login hub --status --json',
    )
    .action(async (flags: { status?: boolean }) => {
      const client = context.client()
      if (flags.status) {
        const status = await client.hubStatus()
        context.answer(status, () => toldOfHub(status))
        return
      }
      const given = givenHubToken(context.config())
      if (given) context.say(`Taken from ${given.name}.`)
      const { hub } = await client.hubStatus()
      const token =
        given?.token ?? (await askSecret(`Read token of ${hub} (hf_…, not shown as you type): `))
      if (token === '') {
        throw new AppError('invalid', 'no token was given', {
          code: 'not_given',
          next: `Make a read token at ${hub}/settings/tokens, then: rodizio login hub`,
        })
      }
      const status = await client.keepHubToken(token)
      context.answer(status, () => toldOfHub(status))
    })
  const logout = program.command('logout').description('sign out of outside services')
  logout
    .command('google')
    .description('give the sign-in back at Google and forget it here; files on Drive stay')
    .addHelpText('after', '\nExample:\n  rodizio logout google')
    .action(async () => {
      const status = await context.client().endLogin()
      context.answer(
        status,
        () =>
          'Signed out of Google. Sessions that hold upload addresses go on; none is started before the next: rodizio login google',
      )
    })
  logout
    .command('hub')
    .description('forget the token for the Hugging Face hub here; at the hub it goes on')
    .addHelpText('after', '\nExample:\n  rodizio logout hub')
    .action(async () => {
      const status = await context.client().forgetHubToken()
      context.answer(
        status,
        () =>
          `Forgotten. To end the token itself, remove it at ${status.hub}/settings/tokens; sessions go on with addresses they hold, for an hour at most.`,
      )
    })
}
