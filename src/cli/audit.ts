import type { Command } from 'commander'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { wholeOf } from './flag-values.ts'
import { table } from './table.ts'
import { localZone, momentOf } from './wall-time.ts'

/** `rodizio audit`: who has changed what, and whether the log of it is whole. */
export function auditCommands(program: Command, context: Context): void {
  const audit = program.command('audit').description('who has changed what')

  audit
    .command('list')
    .description('calls that would change something, newest first')
    .option('--most <n>', 'so many at the most; 50 when left out')
    .addHelpText('after', '\nExample:\n  rodizio audit list --most 20')
    .action(async (flags: { most?: string }) => {
      const items = await context.client().audit(wholeOf('--most', flags.most, [1, 500]) ?? 50)
      context.answer({ items, next: null }, () =>
        items.length === 0
          ? 'Nothing was changed yet.'
          : table(
              ['#', 'at', 'who', 'what', 'outcome'],
              items.map(({ number, at, who, what, outcome }) => [
                String(number),
                momentOf(new Date(at), localZone()),
                who,
                what,
                String(outcome),
              ]),
            ),
      )
    })

  audit
    .command('verify')
    .description('whether every line is what was written, where it was written')
    .addHelpText('after', '\nExample:\n  rodizio audit verify')
    .action(async () => {
      const verdict = await context.client().auditVerdict()
      if (verdict.kind === 'broken') {
        throw new AppError('conflict', `the audit log is broken: ${verdict.why}`, {
          code: 'audit_broken',
          next: 'Somebody has written into the database: compare it with a backup',
        })
      }
      context.answer(verdict, () => `The audit log is whole: ${verdict.lines} lines`)
    })
}
