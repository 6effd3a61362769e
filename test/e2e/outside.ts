import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execute, makePlace, type Place, program, until } from './service.ts'

/** The Google client of a person who made one; the emulated Google takes any. */
export const ownClient = {
  RODIZIO_SAMPLE: 'off',
  RODIZIO_STORE: 'drive',
  GOOGLE_CLIENT_ID: 'own-client.apps.example.com',
  GOOGLE_CLIENT_SECRET: 'planted-client-secret',
}

interface Found {
  readonly kaggle: string
  readonly drive: string
  readonly googleToken: string
  readonly colab: string
}

/**
 * A service that takes the emulators for the real thing: it was given their addresses, and nobody can reach it. Two people
 * (or those named) have lent it their Kaggle accounts, and it is signed in at Google. Everything is gone at the end of the block.
 */
export async function hiddenPlace(
  more: Record<string, string> = {},
  people: readonly string[] = ['ana', 'bia'],
): Promise<Place> {
  const env: Record<string, string> = { ...ownClient, RODIZIO_EMULATORS: 'off', ...more }
  const place = await makePlace(env)
  try {
    await outfit(place, people)
    return place
  } catch (error) {
    await place[Symbol.asyncDispose]()
    throw error
  }
}

/** Gives a place the emulators' addresses, starts its service, adds the accounts, signs in. */
async function outfit(place: Place, people: readonly string[]): Promise<void> {
  const state = join(place.data, 'emulators')
  const emulators = spawn(
    process.execPath,
    [program, 'emulators', '--json', '--state', state, '--approve-after', '0.2'],
    { env: place.env, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let said = ''
  emulators.stdout.on('data', (part: Buffer) => {
    said += part.toString('utf8')
  })
  const urls = await until('the emulators', async () =>
    said.includes('\n') ? (JSON.parse(said.split('\n')[0] ?? '') as Found) : undefined,
  )
  Object.assign(place.env, {
    RODIZIO_KAGGLE_URL: urls.kaggle,
    RODIZIO_DRIVE_URL: urls.drive,
    RODIZIO_GOOGLE_TOKEN_URL: urls.googleToken,
    RODIZIO_COLAB_URL: urls.colab,
  })
  await place.start()
  for (const name of people) {
    const credentials = { KAGGLE_USERNAME: name, KAGGLE_KEY: 'c0ffee'.padEnd(32, '0') }
    const given = { ...place.env, ...credentials }
    const words = ['accounts', 'add', name, '--provider', 'kaggle', '--owner', name]
    const { code, err } = await execute(
      process.execPath,
      [program, ...words, '--accept-rules'],
      given,
    )
    if (code !== 0) throw new Error(err)
  }
  await place.json('login', 'google')
}

/** Puts a small data set there. */
export async function importRows(place: Place, name: string, count: number): Promise<void> {
  const file = join(place.data, '..', `${name}.jsonl`)
  const rows = Array.from({ length: count }, (_, n) => ({
    messages: [
      { role: 'user', content: `Quanto é ${n} vezes ${n % 7}?` },
      { role: 'assistant', content: `${n} vezes ${n % 7} é ${n * (n % 7)}.` },
    ],
  }))
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await place.json('data', 'import', file, '--name', name)
}
