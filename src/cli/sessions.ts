import type { Command } from 'commander'
import type { RodizioClient } from '../api/client.ts'
import type { Session } from '../api/schemas.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { seconds } from './narrate.ts'
import { table } from './table.ts'

/** `rodizio sessions`: what became of the GPU time. */
export function sessionsCommand(program: Command, context: Context): void {
  program
    .command('sessions')
    .description('sessions of all runs and serving policies, newest first')
    .option('--open', 'only those that have not ended')
    .option('--account <name>', 'only those on this account, also one that was removed')
    .option('--run <run>', 'only those of this run or serving policy, by name or id')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio sessions --open\n  rodizio sessions --account ana\n  rodizio sessions --run support --json',
    )
    .action(async (flags: { open?: boolean; account?: string; run?: string }) => {
      const client = context.client()
      // A name that is mistyped is an error, not an empty list.
      if (flags.account !== undefined) await client.account(flags.account)
      if (flags.run !== undefined) await isThere(client, flags.run)
      const { open = false, account, run } = flags
      const sessions = await client.sessions({
        open,
        ...(account === undefined ? {} : { account }),
        ...(run === undefined ? {} : { run }),
      })
      context.answer({ items: sessions, next: null }, () =>
        sessions.length === 0 ? 'No sessions.' : sessionTable(sessions),
      )
    })
}

/** @throws AppError `not-found` where there is neither such a run nor such a policy */
async function isThere(client: RodizioClient, name: string): Promise<void> {
  await client.run(name).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'run_is_policy') return
    throw error
  })
}

/** Sessions of several runs, a line each. */
export const sessionTable = (sessions: readonly Session[]): string =>
  table(
    ['RUN', 'SESSION', 'ACCOUNT', 'STATE', 'STEPS', 'USED', 'WHY'],
    sessions.map((s) => [
      s.run,
      String(s.generation),
      `${s.account} (${s.provider}${s.emulated ? ', emulated' : ''})`,
      s.outcome ?? s.state,
      s.serves ? 'serves' : `${s.fromStep} → ${s.toStep}`,
      s.usedSeconds === null ? '' : seconds(s.usedSeconds),
      s.link ? `open ${s.link} and press Run all` : (s.reason ?? ''),
    ]),
  )
