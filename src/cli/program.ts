import type { ProgramPlace } from './context.ts'
import { type AddCommands, runProgram } from './run-program.ts'

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

/** Runs one command line and gives the exit status; never throws. */
export const main = (argv: readonly string[], place: ProgramPlace): Promise<number> =>
  runProgram(argv, place, commandsFor)
