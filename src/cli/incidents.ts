import type { Command } from 'commander'
import type { Context } from './context.ts'
import { describeIncident, describeIncidents } from './describe-nodes.ts'
import { wholeOf } from './flag-values.ts'
import { localZone } from './wall-time.ts'

/** `rodizio incidents`: outages, and what was done about them. */
export function incidentCommands(program: Command, context: Context): void {
  const incidents = program
    .command('incidents')
    .description('outages and unstable nodes, newest first')
    .option('--open', 'only those that go on')
    .option('--node <name>', 'only those of a node')
    .option('--most <n>', 'so many at the most; 20 when left out')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio incidents --open\n  rodizio incidents show inc_4f1c…\n  rodizio alerts ack inc_4f1c…',
    )
    .action(async (flags: { open?: boolean; node?: string; most?: string }) => {
      const items = await context.client().incidents({
        open: flags.open === true,
        most: wholeOf('--most', flags.most, [1, 500]) ?? 20,
        ...(flags.node === undefined ? {} : { node: flags.node }),
      })
      context.answer({ items, next: null }, () => describeIncidents(items, localZone()))
    })

  incidents
    .command('show <id>')
    .description('an incident with its record: what was seen and done')
    .addHelpText('after', '\nExample:\n  rodizio incidents show inc_4f1c…')
    .action(async (id: string) => {
      const incident = await context.client().incident(id)
      context.answer(incident, () => describeIncident(incident, localZone()))
    })
}
