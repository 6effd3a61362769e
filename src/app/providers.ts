import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config/schema.ts'
import { clientOf } from '../control/account-access.ts'
import type { Credentials } from '../control/accounts.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { colabCli } from '../providers/colab/cli.ts'
import { colabCliSessions } from '../providers/colab/cli-sessions.ts'
import { colabLink } from '../providers/colab/link.ts'
import { colabSessions } from '../providers/colab/sessions.ts'
import { embeddedEmulators } from '../providers/embedded-emulators.ts'
import { kaggleClient } from '../providers/kaggle/client.ts'
import { kaggleSessions } from '../providers/kaggle/sessions.ts'
import { resolvePython } from '../providers/local/python.ts'
import { localSessions } from '../providers/local/sessions.ts'
import type { Account } from '../rotation/account.ts'
import type { SessionProvider } from '../rotation/session-provider.ts'
import { type Google, openGoogle } from './google.ts'
import type { Storage } from './storage.ts'
import { type TrlPythons, trlPythons } from './trl-pythons.ts'

export interface ProviderOptions {
  readonly config: Config
  readonly root: URL
  readonly program: readonly [string, ...string[]]
  readonly path: string
  readonly clock: Clock
  /** Whether the emulators stand in for outside services. */
  readonly emulate: boolean
  /** Whether notebooks elsewhere have an address to report to. */
  readonly isPublic: boolean
}

/** The user name behind Kaggle credentials, by a live call. @throws AppError in Kaggle's own terms */
export const whoIs = (
  config: Config,
  credentials: Parameters<typeof kaggleClient>[0]['credentials'],
): Promise<string> =>
  kaggleClient({
    baseUrl: config.RODIZIO_KAGGLE_URL,
    credentials,
    timeoutMs: kaggleTimeoutMs,
    clock: systemClock,
  }).whoAmI()

/** How long Kaggle gets for an answer. */
const kaggleTimeoutMs = 20_000

/** The places where sessions run, and the emulators that stand in for outside services while nothing real is known. */
export function openProviders(options: ProviderOptions, storage: Storage) {
  const { config, root, clock, emulate } = options
  const emulators = emulate
    ? embeddedEmulators({
        stateDir: storage.folder.emulators,
        program: options.program,
        python: config.RODIZIO_PYTHON,
        trlPython: config.RODIZIO_TRL_PYTHON,
        path: options.path,
        clock,
      })
    : undefined
  const python = () => resolvePython(config.RODIZIO_PYTHON)
  const trl = trlPythons(config, root)
  const kaggleUrl = () => emulators?.urls()?.kaggle ?? config.RODIZIO_KAGGLE_URL
  const connect = (credentials: Credentials) =>
    kaggleClient({ baseUrl: kaggleUrl(), credentials, timeoutMs: kaggleTimeoutMs, clock })
  const kaggleOf = (account: Account) => clientOf(storage.accounts, account, connect)
  const local = localSessions({
    root: storage.folder.local,
    python: (notebook) => trl.of('local', notebook) ?? python(),
    runnerPath: fileURLToPath(new URL('templates/run_notebook.py', root)),
    now: () => clock.now(),
  })
  const google = openGoogle({
    config,
    clock,
    signIns: storage.signIns,
    urls: () => ({
      drive: emulators?.urls()?.drive ?? config.RODIZIO_DRIVE_URL,
      googleToken: emulators?.urls()?.googleToken ?? config.RODIZIO_GOOGLE_TOKEN_URL,
    }),
  })
  const colabUrl = () => emulators?.urls()?.colab ?? config.RODIZIO_COLAB_URL
  const byLink =
    google &&
    colabLink({
      shelf: google.shelf,
      colabUrl,
      now: () => clock.now(),
      reachable: () => options.isPublic || emulators !== undefined,
    })
  /** Emulated sessions run on this machine; those elsewhere need an address, or a store of their own way. */
  const reach = (): 'open' | 'sealed' | 'none' => {
    if (options.isPublic || emulators) return 'open'
    if (config.RODIZIO_STORE === 'drive') return 'sealed'
    return isLoopback(kaggleUrl()) ? 'open' : 'none'
  }
  const kaggle = kaggleSessions({ clientOf: kaggleOf, clock, reach })
  const byCli = openColabCli(options, storage.folder.colab)
  const colab = colabSessions({ link: byLink, cli: byCli, now: () => clock.now() })
  return {
    emulators,
    local,
    colabCli: byCli,
    python,
    google,
    reach,
    connect,
    byName: new Map<string, SessionProvider>([
      ['local', local],
      ['kaggle', kaggle],
      ['colab', colab],
    ]),
    /** Proves an account by a live call, in a sentence. */
    async prove(account: Account): Promise<string> {
      if (account.provider === 'local') return `notebooks run with ${python()}, ${onTrl(trl)}`
      if (account.driver === 'cli') return byCli.prove()
      if (account.provider === 'colab') return proveColab(google)
      return `${account.provider} knows it as ${await (await kaggleOf(account)).whoAmI()}`
    },
  }
}

/** Whether this machine can train with the engine `trl`, as the end of a sentence. */
function onTrl(trl: TrlPythons): string {
  const prepared = trl.found()
  return prepared
    ? `those of the engine trl with ${prepared.local}`
    : 'and so do those of the engine trl: no environment is prepared for it (npm run setup:notebooks)'
}

export type Providers = ReturnType<typeof openProviders>

/** How long the command line of Colab gets for a machine, or for an answer. */
const colabSeconds = 90

/** Sessions by Google's own command line. Nothing is started before an account wants it. */
function openColabCli({ config, path, clock }: ProviderOptions, folder: string) {
  const { HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE } = config
  const given = Object.entries({ HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE })
  const env = given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  const cli = colabCli({
    command: config.RODIZIO_COLAB_CLI,
    home: join(folder, 'home'),
    env: { PATH: path, ...Object.fromEntries(env) },
    timeoutMs: colabSeconds * 1000,
    clock,
  })
  return colabCliSessions({
    cli,
    root: join(folder, 'sessions'),
    clock,
    startSeconds: colabSeconds,
    reachable: () => config.RODIZIO_PUBLIC_URL !== undefined,
  })
}

const isLoopback = (url: string): boolean =>
  ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)

/** Colab itself can be asked nothing: what it needs is a sign-in, for the Drive that notebooks are opened from. */
async function proveColab(google: Google | undefined): Promise<string> {
  if (await google?.signIn.isGood())
    return 'notebooks go to Drive, and a person opens them from a link'
  const state = (await google?.signIn.status())?.state ?? 'none'
  throw new AppError('unauthorized', `the sign-in at Google is ${state}`, {
    next: google
      ? 'Sign in with: rodizio login google'
      : 'Set GOOGLE_CLIENT_FILE (or GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET), then: rodizio login google',
  })
}
