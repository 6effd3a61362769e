import type { Command } from 'commander'
import type { Absence } from '../api/schemas.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { inZone } from './describe-account.ts'
import { table } from './table.ts'

/** `rodizio away …`: when a person is not there to start anything. */
export function awayCommands(program: Command, context: Context): void {
  const away = program
    .command('away')
    .argument('[owner]', 'a person who lends an account')
    .description('note when a person is not there to open a link')
    .option('--from <date>', 'the first day, or the minute, such as 2026-12-24T18:00')
    .option('--to <date>', 'the last day, which counts whole, or the minute')
    .addHelpText(
      'after',
      '\nDates are of the zone of that person (rodizio accounts list).\n\nExamples:\n  rodizio away Rui --from 2026-12-24 --to 2026-12-26\n  rodizio away Rui --from 2026-12-24T18:00 --to 2026-12-27T08:00\n  rodizio away list\n  rodizio away rm away_4f1c…',
    )
    .action(async (owner: string | undefined, flags: { from?: string; to?: string }) => {
      const { from, to } = flags
      if (owner === undefined || from === undefined || to === undefined) {
        const missing = owner === undefined ? 'OWNER' : from === undefined ? '--from' : '--to'
        throw new AppError('invalid', `away: ${missing} is missing`, {
          next: 'Write: rodizio away OWNER --from 2026-12-24 --to 2026-12-26, or: rodizio away list',
        })
      }
      const absence = await context.client().addAbsence({ owner, from, to })
      context.answer(absence, () => `${owner} is away ${span(absence)}.\n  ${absence.id}`)
    })

  away
    .command('list')
    .description('who is away, now and later')
    .addHelpText('after', '\nExample:\n  rodizio away list --json')
    .action(async () => {
      const items = await context.client().absences()
      context.answer({ items, next: null }, () =>
        items.length === 0
          ? 'Nobody is away.'
          : table(
              ['ID', 'OWNER', 'FROM', 'TO', 'ZONE'],
              items.map(({ id, owner, from, to, zone }) => [
                id,
                owner,
                inZone(from, zone),
                inZone(to, zone),
                zone,
              ]),
            ),
      )
    })

  away
    .command('rm <id>')
    .description('take a span back')
    .addHelpText('after', '\nExample:\n  rodizio away rm away_4f1c…')
    .action(async (id: string) => {
      const gone = await context.client().removeAbsence(id)
      context.answer(gone, () => `${gone.owner} is not away any more ${span(gone)}.`)
    })
}

const span = ({ from, to, zone }: Absence): string =>
  `from ${inZone(from, zone)} to ${inZone(to, zone)} (${zone})`
