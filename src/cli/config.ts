import type { Command } from 'commander'
import { describeConfig } from '../config/describe.ts'
import type { Context } from './context.ts'
import { table } from './table.ts'

/** `rodizio config`: every setting, its value and where that came from. */
export function configCommand(program: Command, context: Context): void {
  program
    .command('config')
    .description('every setting with its value and source; secrets masked')
    .addHelpText('after', '\nExample:\n  RODIZIO_PORT=9000 rodizio config')
    .action(() => {
      const config = context.config()
      const lines = describeConfig(config)
      context.answer({ file: config.file, settings: lines }, () =>
        [
          table(
            ['SETTING', 'VALUE', 'SOURCE', 'WHAT IT IS'],
            lines.map(({ name, value, source, about }) => [name, value ?? '', source, about]),
          ),
          '',
          `Environment before credentials before file before default. The file: ${config.file}`,
        ].join('\n'),
      )
    })
}
