import type { Command } from 'commander'
import type { Alert, AlertDelivery, InboxMail } from '../api/alert-schemas.ts'
import { AppError } from '../lib/errors.ts'
import { alertActions } from './alert-actions.ts'
import { alertChannelCommands } from './alert-channels.ts'
import type { Context } from './context.ts'
import { wholeOf } from './flag-values.ts'
import { printable } from './narrate.ts'
import { table } from './table.ts'
import { momentOf } from './wall-time.ts'

/** `rodizio alerts …`: what people were told, by which way, and what could not be delivered. */
export function alertCommands(program: Command, context: Context): void {
  const alerts = program
    .command('alerts')
    .description('what people are told: nodes that go down, links that wait, runs that end')

  alerts
    .command('list')
    .description('alerts, newest first, and how their messages fare')
    .option('--kind <kind>', 'such as node-down or run-failed')
    .option(
      '--state <state>',
      'waiting, told, withdrawn or silenced; or of a delivery: sent, refused, parked',
    )
    .option('--limit <count>', 'so many at most, 30 when left out')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio alerts list\n  rodizio alerts list --state parked\n  rodizio alerts list --kind node-down --json',
    )
    .action(async (flags: { kind?: string; state?: string; limit?: string }) => {
      const { kind, state } = flags
      const filter = {
        ...(kind === undefined ? {} : { kind }),
        ...(state === undefined ? {} : { state }),
      }
      const limit = wholeOf('--limit', flags.limit, [1, 500]) ?? 30
      const part = await context.client().alerts(filter, limit)
      const zone = context.config().RODIZIO_ZONE
      context.answer(part, () =>
        part.items.length === 0 ? 'No alerts.' : describeAlerts(part.items, zone),
      )
    })

  alerts
    .command('show <id>')
    .description('an alert, with every message that tells it')
    .addHelpText('after', '\nExample:\n  rodizio alerts show ev_4f1c…')
    .action(async (id: string) => {
      const alert = await context.client().alert(id)
      context.answer(alert, () => describeAlert(alert, context.config().RODIZIO_ZONE))
    })

  alerts
    .command('test')
    .description('send a real message through every channel, and print what each server answers')
    .option('--channel <name>', 'through this one alone')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio alerts test\n  rodizio alerts test --channel phone --json',
    )
    .action(async (flags: { channel?: string }) => {
      const trial = await context.client().testAlerts(flags.channel)
      context.answer(trial, () =>
        trial.items
          .map(({ channel, kind, said }) => `${channel}: ${answerWords[kind]}: ${printable(said)}`)
          .join('\n'),
      )
      if (trial.items.some(({ kind }) => kind !== 'accepted')) process.exitCode = 1
    })

  alerts
    .command('retry [delivery]')
    .description('send again what was refused or parked, under the same Message-ID')
    .option('--channel <name>', 'all of this channel, of the last week')
    .addHelpText(
      'after',
      '\nWithout a delivery: all of the last week. Channels whose sign-in was refused are tried again.\n\nExamples:\n  rodizio alerts retry\n  rodizio alerts retry --channel mail\n  rodizio alerts retry 3f0c…',
    )
    .action(async (id: string | undefined, flags: { channel?: string }) => {
      if (id !== undefined && flags.channel !== undefined) {
        throw new AppError('invalid', 'retry: a delivery and --channel are both given', {
          next: 'Leave out the one or the other',
        })
      }
      if (id !== undefined) {
        const delivery = await context.client().retryDelivery(id)
        context.answer(delivery, () => `It is sent again: ${printable(delivery.subject)}`)
        return
      }
      const retried = await context.client().retryDeliveries(flags.channel)
      context.answer(retried, () => {
        const { deliveries } = retried
        return deliveries === 0
          ? 'Nothing waits: all was delivered.'
          : `${deliveries} message${deliveries === 1 ? '' : 's'} on the way.`
      })
    })

  alerts
    .command('inbox [number]')
    .description(
      'messages that are kept here while no mail server is set; one of them by its number',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio alerts inbox\n  rodizio alerts inbox 1\n  rodizio alerts inbox --json',
    )
    .action(async (text: string | undefined) => {
      const number = wholeOf('NUMBER', text, [1, 200])
      const items = await context.client().inbox(200)
      const zone = context.config().RODIZIO_ZONE
      if (number === undefined) {
        context.answer({ items, next: null }, () => describeInbox(items, zone))
        return
      }
      const mail = items[number - 1]
      if (!mail) {
        throw new AppError('not-found', `the inbox holds ${items.length} messages, not ${number}`, {
          next: 'All of them: rodizio alerts inbox',
        })
      }
      context.answer(mail, () => `${printable(mail.subject)}\n\n${printable(mail.text)}`.trimEnd())
    })

  alertActions(alerts, context)
  alertChannelCommands(alerts, context)
}

const answerWords = {
  accepted: 'taken',
  later: 'not now',
  refused: 'refused',
} as const

const at = (time: string, zone: string): string => momentOf(new Date(time), zone)

function describeAlerts(alerts: readonly Alert[], zone: string): string {
  return table(
    ['AT', 'KIND', 'ABOUT', 'STATE', 'DELIVERIES', 'ID'],
    alerts.map(({ at: time, kind, about, state, deliveries, id }) => [
      at(time, zone),
      kind,
      printable(about),
      state,
      deliveries.map(({ channel, state: fares }) => `${channel} ${fares}`).join(', ') || '-',
      printable(id),
    ]),
  )
}

function describeAlert(alert: Alert, zone: string): string {
  const facts = Object.entries(alert.facts).filter(([, value]) => value !== null)
  return [
    `${alert.kind}: ${printable(alert.about)}, ${at(alert.at, zone)} (${alert.state})`,
    ...facts.map(([name, value]) => `  ${name}: ${printable(String(value))}`),
    ...(alert.deliveries.length === 0 ? ['No message tells it yet.'] : []),
    ...alert.deliveries.flatMap((delivery) => describeDelivery(delivery, zone)),
  ].join('\n')
}

function describeDelivery(delivery: AlertDelivery, zone: string): string[] {
  const { id, channel, state, attempts, nextAt, endedAt, said, subject } = delivery
  const when =
    nextAt === null ? (endedAt ? ` ${at(endedAt, zone)}` : '') : `, next ${at(nextAt, zone)}`
  return [
    `${channel}: ${state}${when}, attempt ${attempts}: ${printable(subject)}`,
    ...(said === null ? [] : [`  ${printable(said)}`]),
    `  ${printable(id)}`,
  ]
}

function describeInbox(mails: readonly InboxMail[], zone: string): string {
  if (mails.length === 0) {
    return 'No messages are kept here. Where alerts go: rodizio alerts channels list'
  }
  return table(
    ['#', 'AT', 'SUBJECT'],
    mails.map((mail, index) => [String(index + 1), at(mail.at, zone), printable(mail.subject)]),
  )
}
