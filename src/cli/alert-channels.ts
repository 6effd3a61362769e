import { type Command, Option } from 'commander'
import type { AlertKind } from '../alerts/alert.ts'
import type { AlertChannel, AlertChannelChange, NewAlertChannel } from '../api/alert-schemas.ts'
import { AppError } from '../lib/errors.ts'
import { askSecret } from './ask-secret.ts'
import type { Context } from './context.ts'
import { collect, wholeOf } from './flag-values.ts'
import { printable } from './narrate.ts'
import { table } from './table.ts'

interface RuleFlags {
  quiet?: string | false
  zone?: string
  except?: string[]
  perHour?: string
  digest?: boolean
}

/** `rodizio alerts channels …`: where alerts go, and when. */
export function alertChannelCommands(alerts: Command, context: Context): void {
  const channels = alerts.command('channels').description('where alerts are told, and when')

  channels
    .command('list')
    .description('all channels, with what waits on them')
    .addHelpText('after', '\nExample:\n  rodizio alerts channels list --json')
    .action(async () => {
      const items = await context.client().alertChannels()
      context.answer({ items, next: null }, () => describe(items))
    })

  withRules(channels.command('add <name>'))
    .description('tell alerts to a webhook too')
    .requiredOption('--webhook <url>', 'its address; stored encrypted and never shown')
    .addOption(
      new Option('--preset <form>', 'whose form the messages have')
        .choices(['generic', 'discord', 'slack', 'telegram', 'ntfy'])
        .default('generic'),
    )
    .option('--secret-stdin', 'read a secret: key of the signature (generic), access token (ntfy)')
    .addHelpText(
      'after',
      '\nA generic message is signed where a secret is given: X-Rodizio-Signature holds t=<unix seconds> and v1=<HMAC-SHA-256 of\n"t.body">. Addresses in private networks are refused unless RODIZIO_ALLOW_PRIVATE names them.\n\nExamples:\n  rodizio alerts channels add team --webhook https://discord.com/api/webhooks/… --preset discord\n  rodizio alerts channels add phone --webhook https://ntfy.sh/TOPIC --preset ntfy --quiet 23:00-07:00 --except node-down\n  rodizio alerts channels add own --webhook https://example.com/alerts --secret-stdin < secret.txt',
    )
    .action(
      async (
        name: string,
        flags: RuleFlags & {
          webhook: string
          preset: NonNullable<NewAlertChannel['preset']>
          secretStdin?: boolean
        },
      ) => {
        const secret = flags.secretStdin ? await askSecret('Secret of the webhook: ') : undefined
        if (secret === '') {
          throw new AppError('invalid', '--secret-stdin: nothing was given', {
            next: 'Pipe the secret in, or leave the flag out',
          })
        }
        const added = await context.client().addAlertChannel({
          name,
          url: flags.webhook,
          preset: flags.preset,
          ...(secret === undefined ? {} : { secret }),
          ...rulesOf(flags, context),
        })
        context.answer(
          added,
          () =>
            `Alerts go to ${added.name} too.\nA trial: rodizio alerts test --channel ${added.name}`,
        )
      },
    )

  withRules(channels.command('set <name>'))
    .description('change when a channel is used')
    .option('--no-quiet', 'at no time quiet')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio alerts channels set mail --quiet 23:00-07:00 --zone Europe/Lisbon --except node-down\n  rodizio alerts channels set mail --no-quiet\n  rodizio alerts channels set mail --per-hour 5 --no-digest',
    )
    .action(async (name: string, flags: RuleFlags) => {
      const changed = await context.client().changeAlertChannel(name, rulesOf(flags, context))
      context.answer(changed, () => describe([changed]))
    })

  channels
    .command('test <name>')
    .description('send a real message through one channel')
    .addHelpText('after', '\nExample:\n  rodizio alerts channels test phone')
    .action(async (name: string) => {
      const trial = await context.client().testAlerts(name)
      context.answer(trial, () => trial.items.map(({ said }) => printable(said)).join('\n'))
      if (trial.items.some(({ kind }) => kind !== 'accepted')) process.exitCode = 1
    })

  channels
    .command('rm <name>')
    .description('tell a webhook nothing more')
    .addHelpText('after', '\nExample:\n  rodizio alerts channels rm team')
    .action(async (name: string) => {
      const gone = await context.client().removeAlertChannel(name)
      context.answer(gone, () => {
        const left = gone.waiting
        return `${gone.name} is told nothing more.${left > 0 ? ` ${left} of its messages were not sent.` : ''}`
      })
    })
}

const withRules = (command: Command): Command =>
  command
    .option('--quiet <hours>', 'say nothing then, such as 23:00-07:00')
    .option('--zone <zone>', 'of the quiet hours; RODIZIO_ZONE when left out')
    .option('--except <kind>', 'told in quiet hours too; may be given again and again', collect)
    .option('--per-hour <count>', 'messages an hour at most; the rest goes into one summary')
    .option('--digest', 'send the digest of each day there')
    .option('--no-digest', 'send no digest there')

function rulesOf(flags: RuleFlags, context: Context): AlertChannelChange {
  const perHour = wholeOf('--per-hour', flags.perHour, [1, 1000])
  const isLoose = typeof flags.quiet !== 'string' && (flags.zone ?? flags.except) !== undefined
  if (isLoose) {
    throw new AppError('invalid', '--zone and --except belong to quiet hours, and none are given', {
      next: 'Write for example: --quiet 23:00-07:00 --except node-down',
    })
  }
  return {
    ...(flags.quiet === false ? { quiet: 'none' as const } : {}),
    ...(typeof flags.quiet === 'string'
      ? {
          quiet: {
            hours: flags.quiet,
            zone: flags.zone ?? context.config().RODIZIO_ZONE,
            // The service names those that it does not know.
            except: (flags.except ?? []) as AlertKind[],
          },
        }
      : {}),
    ...(perHour === undefined ? {} : { perHour }),
    ...(flags.digest === undefined ? {} : { digest: flags.digest }),
  }
}

function describe(channels: readonly AlertChannel[]): string {
  const rows = channels.map((channel) => [
    channel.name,
    printable(channel.shown),
    channel.quiet ? `${channel.quiet.hours} ${channel.quiet.zone}` : '-',
    String(channel.perHour),
    channel.digest ? 'yes' : 'no',
    String(channel.waiting),
    String(channel.refused + channel.parked),
  ])
  const broken = channels
    .filter((channel) => channel.broken !== null)
    .map(
      ({ name, broken }) =>
        `! ${name} is left alone: ${printable(broken?.said ?? '')}\n  Correct its settings, or try again with: rodizio alerts retry --channel ${name}`,
    )
  const header = ['NAME', 'TO', 'QUIET', 'AN HOUR', 'DIGEST', 'WAITING', 'UNDELIVERED']
  return [table(header, rows), ...broken].join('\n')
}
