import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { rodizioClient } from '../api/client.ts'
import type { HubStatus } from '../api/schemas.ts'
import type { Config } from '../config/schema.ts'
import { readServiceFile, readToken } from '../config/service-file.ts'
import { AppError } from '../lib/errors.ts'
import { providerRules } from '../rotation/account.ts'
import { askSecret } from './ask-secret.ts'
import type { Context } from './context.ts'
import { givenHubToken, toldOfHub } from './hub-token.ts'

interface InitFlags {
  publicUrl?: string
  force?: boolean
  yes?: boolean
}

/** `rodizio init`: from the sample to real accounts, each step proved by a live call. */
export function initCommand(program: Command, context: Context): void {
  program
    .command('init')
    .description('lead from the sample to real accounts and write a commented configuration')
    .option('--public-url <url>', 'address under which notebooks reach this service')
    .option('--force', 'replace a configuration file that stands')
    .option('--yes', 'ask nothing: take the environment and the flags as they are')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio init\n  KAGGLE_USERNAME=ana KAGGLE_KEY=… rodizio init --public-url https://rodizio.example --yes',
    )
    .action(async (flags: InitFlags) => {
      const config = context.config()
      if (existsSync(config.file) && !flags.force) {
        throw new AppError('conflict', `${config.file} exists already`, {
          code: 'config_exists',
          next: 'Edit it, or replace it with: rodizio init --force',
        })
      }
      const answers = await ask(config, flags)
      const proof = await prove(config, answers)
      const hub = answers.hubToken && (await keepHubToken(context, answers.hubToken))
      mkdirSync(dirname(config.file), { recursive: true, mode: 0o700 })
      writeFileSync(config.file, commented(answers), { mode: 0o600 })
      context.answer({ file: config.file, kaggle: proof, hub: hub || null }, () =>
        [
          proof,
          ...(hub ? [toldOfHub(hub)] : []),
          `Written: ${config.file} (only you can read it)`,
          '',
          'Next:',
          '  1. Restart the service:            rodizio down; rodizio up --detach',
          ...(answers.username || answers.token
            ? [
                `  2. Add the account to the rotation: rodizio accounts add ${answers.username ?? 'kaggle'} --provider kaggle --accept-rules`,
              ]
            : [
                '  2. Make a token at kaggle.com/settings (phone verified) and run: rodizio init --force',
              ]),
          '  3. Check everything:               rodizio doctor',
        ].join('\n'),
      )
    })
}

interface Answers {
  readonly publicUrl: string | undefined
  readonly username: string | undefined
  readonly key: string | undefined
  readonly token: string | undefined
  /** Never written to the file: the service stores it encrypted. */
  readonly hubToken: string | undefined
}

async function ask(config: Config, flags: InitFlags): Promise<Answers> {
  const answers = await askOpenly(config, flags)
  if (flags.yes || !process.stdin.isTTY || answers.hubToken !== undefined) return answers
  process.stdout.write(
    `\nBases that ask for an accepted licence: a read token from ${config.RODIZIO_HUB_URL}/settings/tokens. Empty skips.\n`,
  )
  const hubToken = await askSecret('  Token (hf_…, not shown as you type): ')
  return { ...answers, hubToken: hubToken || undefined }
}

async function askOpenly(config: Config, flags: InitFlags): Promise<Answers> {
  const given: Answers = {
    publicUrl: flags.publicUrl ?? config.RODIZIO_PUBLIC_URL,
    username: config.KAGGLE_USERNAME,
    key: config.KAGGLE_KEY,
    token: config.KAGGLE_API_TOKEN,
    hubToken: givenHubToken(config)?.token,
  }
  if (flags.yes || !process.stdin.isTTY) return given
  const prompt = createInterface({ input: process.stdin, output: process.stdout })
  const question = async (text: string, known: string | undefined) =>
    known ?? ((await prompt.question(text)).trim() || undefined)
  try {
    process.stdout.write(`${providerRules.kaggle}\n\n`)
    process.stdout.write(
      'Kaggle: verify your phone, then make an API token at kaggle.com/settings. Empty skips.\n',
    )
    const token = given.key ? undefined : await question('  API token (KGAT_…): ', given.token)
    const username = token ? given.username : await question('  or user name: ', given.username)
    const key = token || !username ? undefined : await question('  and key: ', given.key)
    process.stdout.write(
      '\nNotebooks at Kaggle report to this service: it needs an address they can reach.\n',
    )
    const publicUrl = await question('  Public URL (https://…): ', given.publicUrl)
    return { ...given, publicUrl, username, key, token }
  } finally {
    prompt.close()
  }
}

/** Stores the token by the service that has the data folder, or in a folder that none has. */
async function keepHubToken(context: Context, token: string): Promise<HubStatus> {
  const config = context.config()
  const service = readServiceFile(config.RODIZIO_DATA_DIR)
  const admin = readToken(config.RODIZIO_DATA_DIR)
  if (service && admin !== undefined) {
    const client = rodizioClient({ url: service.url, token: admin })
    const answers = await client.health().then(
      () => true,
      () => false, // it is down, and left its note behind
    )
    if (answers) return client.keepHubToken(token)
  }
  const { keepHubToken: keep } = await import('../app.ts')
  return keep(config, context.root, token)
}

/** A live call with the credentials. @throws AppError in Kaggle's own terms when they do not work */
async function prove(config: Config, { username, key, token }: Answers): Promise<string> {
  const credentials =
    token !== undefined
      ? ({ kind: 'token', token } as const)
      : username !== undefined && key !== undefined
        ? ({ kind: 'key', username, key } as const)
        : undefined
  if (!credentials) return 'No Kaggle credentials were given: the rotation has only this machine.'
  const { whoIs } = await import('../app.ts')
  return `Kaggle (${config.RODIZIO_KAGGLE_URL}) knows you as ${await whoIs(config, credentials)}.`
}

function commented({ publicUrl, username, key, token }: Answers): string {
  const line = (name: string, value: string | undefined, example: string) =>
    value === undefined ? `# ${name}=${example}` : `${name}=${JSON.stringify(value)}`
  return [
    '# Rodízio. The environment outranks this file; `rodizio config` shows what is in force.',
    '',
    '# Address under which notebooks elsewhere reach this service (HTTPS, for example by Caddy).',
    line('RODIZIO_PUBLIC_URL', publicUrl, 'https://rodizio.example'),
    '',
    '# Local stand-ins for outside services: auto, on or off.',
    'RODIZIO_EMULATORS=off',
    '',
    '# Kaggle, under the names its own tools use. `rodizio accounts add` stores an encrypted copy: these may go afterwards.',
    line('KAGGLE_USERNAME', username, 'ana'),
    line('KAGGLE_KEY', key, '0123456789abcdef0123456789abcdef'),
    line('KAGGLE_API_TOKEN', token, 'KGAT_…'),
    '',
  ].join('\n')
}
