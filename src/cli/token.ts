import type { Command } from 'commander'
import { scopes, scopeWords } from '../safekeeping/scopes.ts'
import type { Context } from './context.ts'
import { collect } from './flag-values.ts'
import { table } from './table.ts'
import { localZone, momentOf } from './wall-time.ts'

/** `rodizio token`: who else may call this service, and for what. */
export function tokenCommands(program: Command, context: Context): void {
  const token = program
    .command('token')
    .description('tokens that may do a part of what the admin token may')

  token
    .command('create <name>')
    .description('make a token, which is shown once')
    .requiredOption('--scope <scope>', 'what it may; repeatable', collect)
    .option('--days <n>', 'it is good for so long; for good when left out')
    .addHelpText(
      'after',
      `\nScopes:\n${scopes.map((scope) => `  ${scope.padEnd(10)}${scopeWords[scope]}`).join('\n')}\n\nExamples:\n  rodizio token create box-1 --scope pull\n  rodizio token create dashboard --scope viewer --days 90`,
    )
    .action(async (name: string, flags: { scope: string[]; days?: string }) => {
      const days = flags.days === undefined ? {} : { days: Number(flags.days) }
      const made = await context.client().createToken({ name, scopes: flags.scope, ...days })
      context.answer(made, () =>
        [
          `Token ${made.name} may: ${made.scopes.map((scope) => scopeWords[scope]).join('; ')}`,
          `Shown this once: ${made.token}`,
        ].join('\n'),
      )
    })

  token
    .command('list')
    .description('tokens without their secrets')
    .addHelpText('after', '\nExample:\n  rodizio token list --json')
    .action(async () => {
      const items = await context.client().tokens()
      const at = (time: string | null) =>
        time === null ? '-' : momentOf(new Date(time), localZone())
      context.answer({ items, next: null }, () =>
        items.length === 0
          ? 'None but the admin token in the data folder.'
          : table(
              ['name', 'scopes', 'made', 'last used', 'good until'],
              items.map((one) => [
                one.name,
                one.scopes.join(','),
                at(one.createdAt),
                at(one.lastUsedAt),
                one.revokedAt === null ? at(one.expiresAt) : `revoked ${at(one.revokedAt)}`,
              ]),
            ),
      )
    })

  token
    .command('revoke <name>')
    .description('a token is good no longer, from this moment on')
    .addHelpText('after', '\nExample:\n  rodizio token revoke box-1')
    .action(async (name: string) => {
      const gone = await context.client().revokeToken(name)
      context.answer(gone, () => `Token ${gone.name} is good no longer`)
    })
}
