import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { NewSilence } from '../api/node-schemas.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { describeIncident, describeSilences } from './describe-nodes.ts'
import { durationOf } from './flag-values.ts'
import { localZone, momentOf } from './wall-time.ts'

interface SilenceFlags {
  readonly for?: string
  readonly from?: string
  readonly until?: string
  readonly weekly?: boolean
  readonly maintenance?: boolean
  readonly why?: string
  readonly by?: string
}

/** `rodizio alerts ack|silence|silences|unsilence`: who knows already, and when nobody is to be told. */
export function alertActions(alerts: Command, context: Context): void {
  alerts
    .command('ack <incident>')
    .description('say that somebody knows of an incident: nobody is reminded of it any more')
    .option('--by <who>', 'your name; that of your account here when left out')
    .addHelpText('after', '\nExample:\n  rodizio alerts ack inc_4f1c…')
    .action(async (id: string, flags: { by?: string }) => {
      const incident = await context
        .client()
        .acknowledgeIncident(id, flags.by ?? userInfo().username)
      context.answer(incident, () => describeIncident(incident, localZone()))
    })

  alerts
    .command('silence [node]')
    .description('tell nobody of a node, or of any, for a while; all of it stays on record')
    .option('--for <time>', 'for so long')
    .option('--from <time>', 'from then on, such as 2026-12-24T18:00:00Z; now when left out')
    .option('--until <time>', 'until then')
    .option('--weekly', 'again at the same local time of every week')
    .option('--maintenance', 'planned work')
    .option('--why <words>', 'what others will read')
    .option('--by <who>', 'your name; that of your account here when left out')
    .addHelpText(
      'after',
      '\nThere always is an end. What is still down then is told then.\n\nExamples:\n  rodizio alerts silence house --for 2h --why "new disk"\n  rodizio alerts silence --maintenance --weekly --from 2026-11-29T02:00:00Z --for 3h',
    )
    .action(async (node: string | undefined, flags: SilenceFlags) => {
      const wanted: NewSilence = {
        kind: flags.maintenance ? 'maintenance' : 'silence',
        ...spanOf(flags),
        zone: localZone(),
        by: flags.by ?? userInfo().username,
        ...(node === undefined ? {} : { node }),
        ...(flags.weekly ? { weekly: true } : {}),
        ...(flags.why === undefined ? {} : { why: flags.why }),
      }
      const silence = await context.client().silence(wanted)
      const until = () => momentOf(new Date(silence.endsAt), localZone())
      context.answer(
        silence,
        () => `Nobody is told of ${silence.node ?? 'any node'} until ${until()}.\n  ${silence.id}`,
      )
    })

  alerts
    .command('silences')
    .description('what is silenced, now and later')
    .addHelpText('after', '\nExample:\n  rodizio alerts silences --json')
    .action(async () => {
      const items = await context.client().silences()
      context.answer({ items, next: null }, () => describeSilences(items, localZone()))
    })

  alerts
    .command('unsilence <id>')
    .description('take a silence back')
    .addHelpText('after', '\nExample:\n  rodizio alerts unsilence sil_4f1c…')
    .action(async (id: string) => {
      const silence = await context.client().endSilence(id)
      context.answer(silence, () => `Silence ${silence.id} is over.`)
    })
}

function spanOf(flags: SilenceFlags): { startsAt?: string; endsAt: string } {
  const length = durationOf('--for', flags.for)
  const from = instantOf('--from', flags.from)
  const until = instantOf('--until', flags.until)
  if ((length === undefined) === (until === undefined)) {
    throw new AppError('invalid', 'alerts silence: give either --for or --until', {
      next: 'For example: rodizio alerts silence house --for 2h',
    })
  }
  const start = from ?? systemClock.now()
  const end = until ?? new Date(start.getTime() + (length ?? 0) * 1000)
  return { ...(from ? { startsAt: from.toISOString() } : {}), endsAt: end.toISOString() }
}

function instantOf(flag: string, value: string | undefined): Date | undefined {
  if (value === undefined) return undefined
  const at = new Date(value)
  if (!Number.isNaN(at.getTime())) return at
  throw new AppError('invalid', `${flag}: ${JSON.stringify(value)} is no time`, {
    next: 'Write 2026-12-24T18:00:00Z, or without the Z by the clock of this machine',
  })
}
