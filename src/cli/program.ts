import { Command, CommanderError } from 'commander'
import { type CommonFlags, type Context, contextFor } from './context.ts'
import { failure } from './failure.ts'

type AddCommands = (program: Command, context: Context) => void

/** Each group of commands by the words that begin it; only the group that is asked for is loaded. */
const groups: readonly (readonly [words: readonly string[], load: () => Promise<AddCommands>])[] = [
  [['up', 'status', 'down'], async () => (await import('./up.ts')).upCommands],
  [['init'], async () => (await import('./init.ts')).initCommand],
  [['doctor'], async () => (await import('./doctor.ts')).doctorCommand],
  [['train'], async () => (await import('./train.ts')).trainCommands],
  [['serve'], async () => (await import('./serve.ts')).serveCommands],
  [['nodes'], async () => (await import('./nodes.ts')).nodeCommands],
  [['incidents'], async () => (await import('./incidents.ts')).incidentCommands],
  [['plan'], async () => (await import('./plan.ts')).planCommand],
  [['accounts'], async () => (await import('./accounts.ts')).accountCommands],
  [['pull'], async () => (await import('./pull.ts')).pullCommand],
  [['backup'], async () => (await import('./backup.ts')).backupCommands],
  [['restore'], async () => (await import('./backup.ts')).restoreCommand],
  [['audit'], async () => (await import('./audit.ts')).auditCommands],
  [['token'], async () => (await import('./token.ts')).tokenCommands],
  [['adapters'], async () => (await import('./adapters.ts')).adapterCommands],
  [['budget'], async () => (await import('./budget.ts')).budgetCommands],
  [['sessions'], async () => (await import('./sessions.ts')).sessionsCommand],
  [['alerts'], async () => (await import('./alerts.ts')).alertCommands],
  [['away'], async () => (await import('./away.ts')).awayCommands],
  [['data'], async () => (await import('./data.ts')).dataCommands],
  [['store'], async () => (await import('./store.ts')).storeCommands],
  [['bases'], async () => (await import('./bases.ts')).basesCommand],
  [['notebooks'], async () => (await import('./notebooks.ts')).notebookCommands],
  [['login', 'logout'], async () => (await import('./login.ts')).loginCommands],
  [['config'], async () => (await import('./config.ts')).configCommand],
  [['emulators'], async () => (await import('./emulators.ts')).emulatorsCommand],
  [['simulate'], async () => (await import('./simulate.ts')).simulateCommand],
]

/** The group that a word begins, or all of them: for help, and for naming what was mistyped. */
function commandsFor(word: string | undefined): Promise<AddCommands[]> {
  const known = groups.filter(([words]) => word !== undefined && words.includes(word))
  return Promise.all((known.length > 0 ? known : groups).map(([, load]) => load()))
}

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

/** Runs one command line and gives the exit status; never throws. */
export async function main(
  argv: readonly string[],
  place: { readonly root: URL; readonly entry: string },
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
