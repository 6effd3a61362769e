import type { Command } from 'commander'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { orStanding, refuseStanding } from './train-standing.ts'

/** `rodizio train priority`: which run goes first from now on. */
export function priorityCommand(train: Command, context: Context): void {
  train
    .command('priority <run> <n>')
    .description('give a run another priority: greater is sooner, runs of one priority share')
    .addHelpText(
      'after',
      '\nFrom -100 to 100; a run has 0 unless it was started with another. Sessions that have begun are left alone.\n\nExamples:\n  rodizio train priority support 10\n  rodizio train priority support -5',
    )
    .action(async (name: string, given: string) => {
      const priority = Number(given)
      if (!Number.isInteger(priority) || Math.abs(priority) > 100 || given.trim() === '') {
        throw new AppError('invalid', `${JSON.stringify(given)} is no priority`, {
          next: 'Give a whole number from -100 to 100; greater is sooner',
        })
      }
      const run = await orStanding(context.client().changeRun(name, { priority }), () =>
        refuseStanding(context, name, 'priority'),
      )
      if (!run) return
      context.answer(
        run,
        () =>
          `Run ${run.name} has priority ${run.priority}. What that changes: rodizio plan --explain`,
      )
    })
}
