import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { AppError } from '../lib/errors.ts'
import { readCredentials } from './credentials.ts'
import { readGoogleClient } from './google-client.ts'
import { type Config, type SettingName, type Source, settings } from './schema.ts'

/** Names that start like ours but are read by other programs than the service and its commands. */
const elsewhere = ['RODIZIO_CONFIG', 'RODIZIO_TEST_', 'RODIZIO_EMULATOR_']

const names = Object.keys(settings) as SettingName[]

function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, i) => i)
  for (const [i, a] of [...left].entries()) {
    const next = [i + 1]
    for (const [j, b] of [...right].entries()) {
      next.push(
        Math.min((row[j] ?? 0) + (a === b ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1),
      )
    }
    row = next
  }
  return row[right.length] ?? 0
}

function refuseUnknown(given: readonly string[], where: string): void {
  for (const name of given) {
    if (name in settings) continue
    const [near] = names.toSorted((a, b) => editDistance(name, a) - editDistance(name, b))
    throw new AppError('invalid', `${name} in ${where} is no setting of Rodízio`, {
      code: 'unknown_setting',
      next: `Did you mean ${near}? All settings: rodizio config`,
    })
  }
}

/**
 * Reads the settings once: environment before systemd's credentials before file before default.
 * @param env the environment; an unknown `RODIZIO_…` in it is an error
 * @param root the folder of the installed project, whose `data` folder is the default data folder
 * @throws AppError `invalid` that names the setting, what was wrong and where it was given
 */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  root: string,
): Config {
  const known = (name: string) => !elsewhere.some((prefix) => name.startsWith(prefix))
  refuseUnknown(
    Object.keys(env).filter((name) => name.startsWith('RODIZIO_') && known(name)),
    'the environment',
  )
  const fallbackDir = join(root, 'data')
  const file = resolve(
    env.RODIZIO_CONFIG || join(env.RODIZIO_DATA_DIR || fallbackDir, 'config.env'),
  )
  const fromFile = existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
  if (env.RODIZIO_CONFIG && !existsSync(file)) {
    throw new AppError('invalid', `RODIZIO_CONFIG names ${file}, which does not exist`, {
      next: 'Correct the path, or make the file with: rodizio init',
    })
  }
  refuseUnknown(Object.keys(fromFile), file)
  const credentials = readCredentials(env.CREDENTIALS_DIRECTORY)
  refuseUnknown(Object.keys(credentials), 'the credentials')

  const values: Record<string, unknown> = {}
  const sources: Record<string, Source> = {}
  for (const name of names) {
    // An empty value is how people switch a variable off in shells and unit files: it counts as unset.
    const found = (
      [
        ['environment', env],
        ['credential', credentials],
        ['file', fromFile],
      ] as const
    ).find(([, values]) => values[name])
    const from = found?.[0]
    const given = found?.[1][name]
    const raw = given ?? (name === 'RODIZIO_DATA_DIR' ? fallbackDir : undefined)
    const parsed = settings[name].schema.safeParse(raw)
    if (!parsed.success) {
      const why = parsed.error.issues[0]?.message ?? 'not usable'
      const shown = 'secret' in settings[name] ? 'its value' : JSON.stringify(raw)
      throw new AppError('invalid', `${name}: ${shown} is not valid (${why})`, {
        code: 'invalid_setting',
        next: `${settings[name].about}. Change it in ${from === 'file' ? file : from === 'credential' ? 'its credential' : 'the environment'}.`,
      })
    }
    values[name] = parsed.data
    sources[name] = from ?? (parsed.data === undefined ? 'unset' : 'default')
  }
  const dataDir = resolve(String(values.RODIZIO_DATA_DIR))
  if (typeof values.GOOGLE_CLIENT_FILE === 'string') {
    for (const name of ['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'] as const) {
      if (values[name] !== undefined) throw twoClients(name, sources)
      sources[name] = 'client file'
    }
    // A path in the config file is meant from there, wherever the service is started.
    const base = sources.GOOGLE_CLIENT_FILE === 'file' ? dirname(file) : '.'
    const path = resolve(base, values.GOOGLE_CLIENT_FILE)
    const client = readGoogleClient(path)
    values.GOOGLE_CLIENT_FILE = path
    values.GOOGLE_CLIENT_ID = client.id
    values.GOOGLE_CLIENT_SECRET = client.secret
  }
  // Every name was parsed by its own schema in the loop above.
  return { ...values, RODIZIO_DATA_DIR: dataDir, sources, file } as unknown as Config
}

/** Neither outranks the other: the two may be different clients, and files on Drive belong to the one that made them. */
function twoClients(name: SettingName, sources: Readonly<Record<string, Source>>): AppError {
  const from = (one: SettingName) =>
    sources[one] === 'file'
      ? 'the config file'
      : sources[one] === 'credential'
        ? 'a credential'
        : 'the environment'
  return new AppError(
    'invalid',
    `GOOGLE_CLIENT_FILE (in ${from('GOOGLE_CLIENT_FILE')}) and ${name} (in ${from(name)}) are both set, and each names a client`,
    {
      code: 'setting_conflict',
      next: 'Unset the one or the other',
    },
  )
}
