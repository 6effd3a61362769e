import type { Command } from 'commander'
import type { Context } from './context.ts'
import { describePlan } from './describe-plan.ts'
import { localZone } from './wall-time.ts'

/** `rodizio plan`: the days to come, drawn and in words. */
export function planCommand(program: Command, context: Context): void {
  program
    .command('plan')
    .description(
      'the week to come: which account does what, from when, how long; when runs are done',
    )
    .option('--explain', 'tell of each session what bound it, and who would have been next')
    .addHelpText(
      'after',
      '\nThe plan is made anew at each look at the world; only what begins now is ever booked. Days and hours are those of this machine.\nWhen a run is done rests on its last five sessions, or before there are any on a table of figures; where that lies beyond the plan,\nthe weeks after are taken to bring as much as this one.\n\nExamples:\n  rodizio plan\n  rodizio plan --explain\n  rodizio plan --json',
    )
    .action(async (flags: { explain?: boolean }) => {
      const isExplained = flags.explain === true
      const plan = await context.client().plan(isExplained)
      const { columns, hasColours } = context
      context.answer(plan, () =>
        describePlan(plan, { columns, hasColours, zone: localZone() }, isExplained),
      )
    })
}
