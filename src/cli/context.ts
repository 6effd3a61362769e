import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type RodizioClient, rodizioClient } from '../api/client.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { readServiceFile, readToken } from '../config/service-file.ts'
import { AppError } from '../lib/errors.ts'

/** What every command gets: where things are, how to speak to the person, how to reach the service. */
export interface Context {
  readonly root: URL
  /** The program file of this process, for starting another one like it. */
  readonly entry: string
  readonly version: string
  readonly config: () => Config
  readonly client: () => RodizioClient
  /** A line for the person, on standard output; nothing with --quiet. */
  readonly say: (line: string) => void
  /** The answer itself: JSON with --json, else the text. */
  readonly answer: (value: unknown, text: () => string) => void
  readonly isTerminal: boolean
  /** Characters in a line; 80 where nobody can tell. */
  readonly columns: number
  /** Whether colours may be used: at a terminal, unless NO_COLOR is set (https://no-color.org, read 2026-11). */
  readonly hasColours: boolean
  readonly isJson: () => boolean
  /** For programs that are started. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Where the program stands. */
export interface ProgramPlace {
  readonly root: URL
  readonly entry: string
  /** Of the program; as package.json in the root has it when left out. */
  readonly version?: string
}

/** The flags that every command takes. */
export interface CommonFlags {
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Builds the context of one command; the configuration is read when first needed, and once. */
export function contextFor(place: ProgramPlace, flags: () => CommonFlags): Context {
  let config: Config | undefined
  const getConfig = (): Config => {
    config ??= loadConfig(process.env, fileURLToPath(place.root))
    return config
  }
  return {
    ...place,
    version: place.version ?? versionOf(place.root),
    config: getConfig,
    client: () => clientOf(getConfig()),
    say: (line) => {
      if (!flags().quiet && !flags().json) process.stdout.write(`${line}\n`)
    },
    answer: (value, text) => {
      const shown = flags().json ? JSON.stringify(value) : text()
      process.stdout.write(`${shown}\n`)
    },
    isTerminal: process.stdout.isTTY === true,
    columns: columnsOf(process.stdout.columns, process.env.COLUMNS),
    hasColours:
      process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
    isJson: () => flags().json === true,
    environment: process.env,
  }
}

/** The terminal's own width, else what the environment says of it. */
function columnsOf(own: number | undefined, given: string | undefined): number {
  const said = Number(given)
  return own || (Number.isInteger(said) && said > 0 ? said : 80)
}

function clientOf(config: Config): RodizioClient {
  const dataDir = config.RODIZIO_DATA_DIR
  const service = readServiceFile(dataDir)
  const url = config.RODIZIO_URL ?? service?.url ?? `http://127.0.0.1:${config.RODIZIO_PORT}`
  const token = config.RODIZIO_TOKEN ?? readToken(dataDir)
  if (token !== undefined) return rodizioClient({ url, token })
  throw new AppError('unavailable', `no service has been started in ${dataDir}`, {
    code: 'no_service',
    next: 'Start one with: rodizio up (or set RODIZIO_URL and RODIZIO_TOKEN to a service elsewhere)',
  })
}

function versionOf(root: URL): string {
  const read: unknown = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  return typeof read === 'object' && read !== null && 'version' in read ? String(read.version) : '0'
}
