import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { describeBudgets, hours } from './describe-account.ts'

/** `rodizio budget`: the hours of this week, and corrections by hand. */
export function budgetCommands(program: Command, context: Context): void {
  const budget = program
    .command('budget')
    .description('GPU hours of this week: used, reserved, left; our book beside the provider’s')
    .addHelpText('after', '\nExamples:\n  rodizio budget --json\n  rodizio budget adjust ana -2.5')
    .action(async () => {
      const budgets = await context.client().budget()
      context.answer({ items: budgets, next: null }, () =>
        budgets.length === 0
          ? 'No accounts yet. Add one with: rodizio accounts add'
          : describeBudgets(budgets),
      )
    })

  budget
    .command('adjust <account> <hours>')
    .description('correct the book of this week by what was used beside Rodízio')
    .option('--note <text>', 'what for; kept in the ledger')
    .addHelpText(
      'after',
      '\nA negative number takes hours away, a positive one gives them back.\n\nExamples:\n  rodizio budget adjust ana -2.5 --note "a notebook by hand"\n  rodizio budget adjust ana 1',
    )
    .action(async (account: string, text: string, flags: { note?: string }) => {
      const wanted = hoursOf(text)
      const adjustment = {
        hours: wanted,
        ...(flags.note === undefined ? {} : { note: flags.note }),
      }
      const now = await context.client().adjustBudget(account, adjustment, randomUUID())
      context.answer(now, () => {
        const what = wanted < 0 ? `charged ${hours(-wanted)}` : `given ${hours(wanted)}`
        return `Account ${account} was ${what}.\n${describeBudgets([now])}`
      })
    })
}

function hoursOf(text: string): number {
  const hours = Number(text.replace(/^([+-]?[\d.]+)h$/, '$1'))
  if (text.trim() !== '' && Number.isFinite(hours)) return hours
  throw new AppError('invalid', `hours: ${JSON.stringify(text)} is no number`, {
    next: 'Write hours, such as -2.5 for two and a half that were used by hand',
  })
}
