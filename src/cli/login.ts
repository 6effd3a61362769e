import type { Command } from 'commander'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'

/** `rodizio login google` and `logout google`: the sign-in that checkpoints on Drive live on. */
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
}
