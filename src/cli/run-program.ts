import { Command, CommanderError } from 'commander'
import { type CommonFlags, type Context, contextFor, type ProgramPlace } from './context.ts'
import { failure } from './failure.ts'

export type AddCommands = (program: Command, context: Context) => void

/** Commands that do something by themselves and have others below them. */
const actThemselves = new Set(['budget', 'away', 'incidents'])

/** Adds the flags that every command takes and the reaction to misuse. */
function finish(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined })
  for (const child of command.commands) finish(child)
  if (
    command.parent === null ||
    (command.commands.length > 0 && !actThemselves.has(command.name()))
  )
    return
  const has = (flag: string) => command.options.some(({ long }) => long === flag)
  if (!has('--json')) command.option('--json', 'answer as JSON, for machines')
  if (!has('--quiet')) command.option('--quiet', 'say only what was asked for')
  if (!has('--verbose')) command.option('--verbose', 'show where an error came from')
}

/**
 * Runs one command line and gives the exit status; never throws.
 * @param commandsFor the commands that a line's first word may mean
 */
export async function runProgram(
  argv: readonly string[],
  place: ProgramPlace,
  commandsFor: (word: string | undefined) => Promise<readonly AddCommands[]>,
): Promise<number> {
  let flags: CommonFlags & { verbose?: boolean } = {
    json: argv.includes('--json'),
    quiet: argv.includes('--quiet'),
    verbose: argv.includes('--verbose'),
  }
  const context = contextFor(place, () => flags)
  const program = new Command('rodizio')
    .description('Keeps a fine-tuned 7B model trained, served and watched on free GPUs')
    .version(context.version)
    .helpCommand(false)
    .enablePositionalOptions() // pull has a --version of its own
    .showHelpAfterError(false)
  for (const add of await commandsFor(argv[0])) add(program, context)
  finish(program)
  program.hook('preAction', (_program, command) => {
    flags = command.optsWithGlobals() // a flag may stand before the command below, or after it
  })
  try {
    if (argv.length === 0) {
      program.outputHelp()
      return 0
    }
    await program.parseAsync([...argv], { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : 0
  } catch (error) {
    if (error instanceof CommanderError) return misuse(error)
    const { text, exitCode } = failure(error, flags)
    process.stderr.write(`${text}\n`)
    return exitCode
  }
}

function misuse(error: CommanderError): number {
  if (error.exitCode === 0) return 0 // --help and --version
  const message = error.message.replace(/^error: /, '')
  if (error.code === 'commander.help') return 2
  process.stderr.write(`rodizio: ${message}\n  Every command explains itself with --help\n`)
  return 2
}
