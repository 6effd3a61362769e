import type { Command } from 'commander'
import type { LeftOvers } from '../api/schemas.ts'
import type { Context } from './context.ts'
import { counted } from './describe-removal.ts'
import { bytes } from './narrate.ts'
import { table } from './table.ts'

/** `rodizio store …`: what lies in the artifact store. */
export function storeCommands(program: Command, context: Context): void {
  const store = program.command('store').description('what lies in the artifact store')

  store
    .command('gc')
    .description(
      'remove what nobody needs: left-overs of uploads that died, of checkpoints let go and of runs removed',
    )
    .option('--dry-run', 'say what would go, and remove nothing')
    .addHelpText(
      'after',
      '\nNothing younger than a day goes, nothing in use, and nothing that a session may still be sending.\n\nExamples:\n  rodizio store gc --dry-run\n  rodizio store gc --json',
    )
    .action(async (flags: { dryRun?: boolean }) => {
      const client = context.client()
      const found = flags.dryRun ? await client.leftOvers() : await client.removeLeftOvers()
      context.answer(found, () => describe(found))
      if (found.why !== null) process.exitCode = 1
    })
}

function describe({ items, files, bytes: size, removed, why }: LeftOvers): string {
  const trouble = why === null ? [] : [`Some could not be removed: ${why}`]
  if (files === 0) return ['Nothing is left over in the store.', ...trouble].join('\n')
  const sum = `${counted(files, 'file')}, ${bytes(size)}`
  return [
    removed ? `Removed ${sum}:` : `Nothing was removed. These would go, ${sum}:`,
    table(
      ['FOLDER', 'FILES', 'SIZE', 'WHY'],
      items.map((item) => [item.folder, String(item.files), bytes(item.bytes), item.why]),
    ),
    ...trouble,
  ].join('\n')
}
