import { readFileSync } from 'node:fs'
import type { ServerType } from '@hono/node-server'
import { artifactPrefix } from './artifacts/checkpoint.ts'
import type { Config } from './config/schema.ts'
import { addAccount, type Credentials, type NewAccount } from './control/accounts.ts'
import { checkpointBook } from './control/checkpoint-book.ts'
import { firstStart } from './control/first-start.ts'
import { oneTimeUrls } from './control/one-time-urls.ts'
import { sessionDesk } from './control/session-desk.ts'
import { startRun, type WantedRun } from './control/start-run.ts'
import { uploadDesk } from './control/upload-desk.ts'
import { startBeat } from './daemon/heart.ts'
import { importDataset } from './datasets/import.ts'
import { httpApp } from './http/app.ts'
import { listen } from './http/listen.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { AppError, messageOf } from './lib/errors.ts'
import type { Log } from './lib/log.ts'
import { newId, newSecret, sha256Hex } from './lib/random.ts'
import { renderNotebook } from './notebooks/generate.ts'
import { Plan } from './notebooks/plan.ts'
import { predict } from './notebooks/predict.ts'
import { Recipe } from './notebooks/recipe.ts'
import { embeddedEmulators } from './providers/embedded-emulators.ts'
import { kaggleClient } from './providers/kaggle/client.ts'
import { kaggleSessions } from './providers/kaggle/sessions.ts'
import { resolvePython } from './providers/local/python.ts'
import { localSessions } from './providers/local/sessions.ts'
import type { Account } from './rotation/account.ts'
import type { RotationEvent } from './rotation/event.ts'
import type { Run } from './rotation/run.ts'
import type { Session } from './rotation/session.ts'
import type { SessionProvider } from './rotation/session-provider.ts'
import { type TickPorts, tick } from './rotation/tick.ts'
import { accountBook } from './store/account-book.ts'
import { checkpointRows } from './store/checkpoint-rows.ts'
import { refuseTurnedBackClock } from './store/clock-check.ts'
import { removeServiceFile, takeDataFolder, writeServiceFile } from './store/data-folder.ts'
import { datasetFiles } from './store/dataset-files.ts'
import { insertDataset } from './store/dataset-rows.ts'
import { folderArtifacts } from './store/folder-artifacts.ts'
import { migrate } from './store/migrate.ts'
import { reads } from './store/reads.ts'
import { rotationStore } from './store/rotation-store.ts'
import { runBook } from './store/run-book.ts'
import { loadAdminToken, loadSecretKey } from './store/secret-files.ts'
import { sessionGate } from './store/session-gate.ts'
import { openSqlite } from './store/sqlite.ts'
import { loadTemplates } from './store/template-files.ts'

export interface ServiceOptions {
  readonly config: Config
  /** The installed project: templates and migrations stand below it. */
  readonly root: URL
  /** How this process was started, up to the command. */
  readonly program: readonly [string, ...string[]]
  /** The search path for programs that are started beside it. */
  readonly path: string
  readonly log: Log
  readonly version: string
  readonly clock?: Clock
  /** Starts although the clock is behind what the data folder has seen. */
  readonly acceptClock?: boolean
}

/** Everything wired from a configuration, listening, its beats going. */
export async function startService(options: ServiceOptions) {
  const { config, root, log } = options
  const clock = options.clock ?? systemClock
  const now = () => clock.now()
  const folder = takeDataFolder(config.RODIZIO_DATA_DIR)
  const undo: (() => Promise<void> | void)[] = [() => folder.release()]
  try {
    const db = openSqlite(folder.database)
    undo.unshift(() => db.close())
    await migrate(db, new URL('migrations/', root), now())
    if (!options.acceptClock) await refuseTurnedBackClock(db, now())
    const look = reads(db)
    const newestEvent = await look.newestEvent()
    const admin = loadAdminToken(folder.root)
    const accounts = accountBook(db, loadSecretKey(folder.root), now)
    const gate = sessionGate(db, now)
    const artifacts = folderArtifacts(folder.store)
    const files = datasetFiles(folder.datasets)
    const checkpoints = checkpointBook(checkpointRows(db, now), artifacts)
    const runs = runBook(db, now)
    const rotation = rotationStore(db, now)
    const emulated = await usesEmulators(config, () => accounts.all())
    const python = () => resolvePython(config.RODIZIO_PYTHON)
    const emulators = emulated
      ? embeddedEmulators({
          stateDir: folder.emulators,
          program: options.program,
          python: config.RODIZIO_PYTHON,
          path: options.path,
          clock,
        })
      : undefined

    // Known once the service listens; no session can ask before.
    let address = ''
    const urls = oneTimeUrls({
      gate,
      artifacts,
      readData: (version, file, range) => files.read(version, file, range.from, range.to),
      baseUrl: async () => config.RODIZIO_PUBLIC_URL ?? address,
    })
    const desk = sessionDesk({
      gate,
      checkpoints,
      artifacts,
      urls,
      now,
      dataFiles: async (version) => {
        const dataset = await look.dataset(version)
        if (!dataset) throw new AppError('internal', `data set ${version} is gone`)
        return (['train', 'validation'] as const).map((split) => ({
          name: `${split}.jsonl`,
          path: `data/${version}/${split}.jsonl`,
          ...dataset[split],
        }))
      },
    })
    const uploads = uploadDesk({ gate, desk, artifacts, checkpoints, urls })
    const kaggleUrl = () => emulators?.kaggleUrl() ?? config.RODIZIO_KAGGLE_URL
    const clientWith = (credentials: Credentials) =>
      kaggleClient({ baseUrl: kaggleUrl(), credentials, timeoutMs: 20_000, clock })
    const clientOf = async (account: Account) => {
      const credentials = await accounts.credentials(account.name)
      if (credentials) return clientWith(credentials)
      throw new AppError('unauthorized', `account ${account.name} has no stored credentials`, {
        next: `Add them with: rodizio accounts add ${account.name} --provider kaggle`,
      })
    }
    const local = localSessions({
      root: folder.local,
      python,
      runnerPath: fileOf(root, 'templates/run_notebook.py'),
      now,
    })
    const kaggle = kaggleSessions({
      clientOf,
      clock,
      reachable: () => config.RODIZIO_PUBLIC_URL !== undefined || isLoopback(kaggleUrl()),
    })
    const providers = new Map<string, SessionProvider>([
      ['local', local],
      ['kaggle', kaggle],
    ])

    const importData = async (body: AsyncIterable<Uint8Array>, name: string, strict: boolean) => {
      const imported = await importDataset(body, await files.stage(), strict)
      await insertDataset(db, name, imported.version, imported.rejected, now().toISOString())
      const dataset = await look.dataset(name)
      if (!dataset) throw new AppError('internal', `data set ${name} was not recorded`)
      return { imported, dataset }
    }
    const begin = (wanted: WantedRun, dryRun: boolean) =>
      startRun(
        {
          dataset: (name) => look.dataset(name),
          runNamed: (name) => look.run(name),
          insertRun: runs.insertRun,
          now,
        },
        wanted,
        dryRun,
      )
    const unexpected = (error: unknown) =>
      log.error({ event: 'unexpected', message: messageOf(error), stack: stackOf(error) })
    let ready = false
    const app = httpApp({
      adminToken: admin.token,
      version: options.version,
      emulated: emulated ? ['kaggle'] : [],
      desk,
      uploads,
      urls,
      reads: look,
      startRun: begin,
      askStop: runs.askStop,
      once: runs.once,
      artifactPath: (runId, label, generation) =>
        `${folder.store}/${artifactPrefix(runId, label, generation)}`,
      takesOrders: () => true,
      importData,
      addAccount: (wanted: NewAccount) => addAccount(accounts, wanted, emulated),
      testAccount: (name) => testAccount(name, { accounts, clientOf, python }),
      credentialsOf: (given) => readCredentials(given, clientWith),
      ready: () => ready,
      unexpected,
      now,
    })
    const { server, url } = await listen(app, config.RODIZIO_HOST, config.RODIZIO_PORT)
    address = url
    undo.unshift(() => closeServer(server))
    writeServiceFile(folder.root, { pid: process.pid, url, startedAt: now().toISOString() })
    undo.unshift(() => removeServiceFile(folder.root))

    const ticks: TickPorts = {
      store: rotation,
      providers,
      now,
      emulated,
      renderNotebook: async (run, session, ticket) =>
        notebookOf(run, session, ticket, config.RODIZIO_PUBLIC_URL ?? address, root),
      newTicket: () => {
        const ticket = newSecret('rzt')
        return { ticket, hash: sha256Hex(ticket) }
      },
      newSessionId: () => newId('ses'),
      trouble: (error, about) =>
        log.warn({ event: 'tick.trouble', message: messageOf(error), ...about }),
      quotaMaxAgeSeconds: emulated ? 5 : 60,
    }
    const failed = (error: unknown) =>
      log.error({ event: 'beat.failed', message: messageOf(error) })

    /** What only needs doing before the first tick; the service answers meanwhile. */
    const prepare = async () => {
      const open = new Set((await rotation.openSessions()).map(({ name }) => name))
      await local.endOrphans(open)
      await files.sweep()
      await checkpoints.sweep()
      if (!emulators) return
      await emulators.ensure()
      await firstStart({
        accounts,
        emulators,
        hasRuns: async () => (await look.runs(1, undefined)).items.length > 0,
        withSample: config.RODIZIO_SAMPLE,
        importSample: async () => {
          const file = new URL('templates/sample/about-rodizio.jsonl', root)
          return (await importData(chunksOf(readFileSync(file)), 'about-rodizio', true)).dataset
            .version
        },
        startRun: (wanted) => begin(wanted, false),
      })
    }
    const work = async () => {
      if (!ready) {
        await prepare()
        ready = true
      }
      await tick(ticks)
    }
    const everySeconds = emulated
      ? Math.min(1, config.RODIZIO_TICK_SECONDS)
      : config.RODIZIO_TICK_SECONDS
    undo.unshift(startBeat({ everySeconds, work, failed }, clock))
    if (emulators) {
      const claim = async () => {
        await emulators.ensure()
        await emulators.claim()
      }
      undo.unshift(startBeat({ everySeconds: 10, work: claim, failed }, clock))
    }

    return {
      url,
      emulated,
      kaggleUrl: () => (emulators ? emulators.kaggleUrl() : undefined),
      token: admin,
      dataDir: folder.root,
      /** The last event that an earlier start has told; later ones are news. */
      newestEvent,
      /** Events after an id, oldest first. */
      events: (after: number): Promise<RotationEvent[]> => look.events(after, 200),
      progress: async () =>
        (await rotation.openRuns()).map(({ name, step, targetSteps }) => ({
          name,
          step,
          targetSteps,
        })),
      /** Asks sessions on this machine for a checkpoint, waits for them, closes everything in order; the last events. */
      async stop(after: number): Promise<RotationEvent[]> {
        await endLocalSessions(rotation, accounts, local, clock)
        const last = await look.events(after, 200)
        for (const step of undo) await step()
        return last
      },
    }
  } catch (error) {
    for (const step of undo) await step()
    throw error
  }
}

export type Service = Awaited<ReturnType<typeof startService>>

/** A normal stop: each local session gets a while to save and report, then its group is ended. */
const localStopSeconds = 20

async function endLocalSessions(
  rotation: ReturnType<typeof rotationStore>,
  accounts: { all(): Promise<Account[]> },
  local: SessionProvider,
  clock: Clock,
): Promise<void> {
  const byName = new Map((await accounts.all()).map((account) => [account.name, account]))
  const mine = async () =>
    (await rotation.openSessions()).filter(({ provider }) => provider === 'local')
  for (const session of await mine()) {
    const account = byName.get(session.account)
    if (account) await local.askToStop(account, session.name)
  }
  const began = clock.monotonicMs()
  while ((await mine()).length > 0 && clock.monotonicMs() - began < localStopSeconds * 1000) {
    await clock.sleep(100)
  }
  for (const session of await mine()) {
    const account = byName.get(session.account)
    if (!account) continue
    await local.kill(account, session.name)
    const reason = 'the service was stopped'
    const end = { outcome: 'lost' as const, reason, failure: null, logTail: null, holdUntil: null }
    await rotation.endSession(session.id, end)
  }
}

function notebookOf(
  run: Run,
  session: Session,
  ticket: string,
  controlUrl: string,
  root: URL,
): string {
  const plan = Plan.parse(run.plan)
  const recipe = Recipe.parse({
    kind: 'train',
    provider: session.provider,
    engine: run.engine,
    name: session.name,
    run: { id: run.id, name: run.name },
    generation: session.generation,
    plan,
    predictions: predict(plan, {
      tokensPerExample: 300,
      sessionHours: session.plannedSeconds / 3600,
    }),
    controlUrl,
    ticket,
  })
  return renderNotebook(recipe, loadTemplates(new URL('templates/', root)))
}

async function usesEmulators(config: Config, accounts: () => Promise<Account[]>): Promise<boolean> {
  if (config.RODIZIO_EMULATORS !== 'auto') return config.RODIZIO_EMULATORS === 'on'
  if (config.sources.RODIZIO_KAGGLE_URL !== 'default') return false
  if (config.KAGGLE_API_TOKEN || (config.KAGGLE_USERNAME && config.KAGGLE_KEY)) return false
  return !(await accounts()).some(({ provider, emulated }) => provider !== 'local' && !emulated)
}

/** Credentials as they were given; a token's user name is asked of Kaggle itself. */
async function readCredentials(
  given: { username?: string | undefined; key?: string | undefined; token?: string | undefined },
  clientWith: (credentials: Credentials) => { whoAmI(): Promise<string> },
): Promise<Credentials | undefined> {
  if (given.token !== undefined) {
    const { token } = given
    const username =
      given.username ?? (await clientWith({ kind: 'token', username: '', token }).whoAmI())
    return { kind: 'token', username, token }
  }
  if (given.username === undefined || given.key === undefined) return undefined
  return { kind: 'key', username: given.username, key: given.key }
}

async function testAccount(
  name: string,
  ports: {
    accounts: { named(name: string): Promise<Account | undefined> }
    clientOf: (account: Account) => Promise<{ whoAmI(): Promise<string> }>
    python: () => string
  },
) {
  const account = await ports.accounts.named(name)
  if (!account) {
    throw new AppError('not-found', `there is no account ${name}`, {
      code: 'account_unknown',
      next: 'rodizio accounts list shows all',
    })
  }
  const { emulated } = account
  try {
    const message =
      account.provider === 'local'
        ? `notebooks run with ${ports.python()}`
        : `${account.provider} knows it as ${await (await ports.clientOf(account)).whoAmI()}`
    return { account: name, ok: true, message, emulated }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { account: name, ok: false, message: error.message, emulated }
  }
}

const isLoopback = (url: string): boolean =>
  ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)

const fileOf = (root: URL, path: string): string => decodeURIComponent(new URL(path, root).pathname)

const stackOf = (error: unknown): string | undefined =>
  error instanceof Error ? error.stack : undefined

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function closeServer(server: ServerType): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  if ('closeAllConnections' in server) server.closeAllConnections()
  await closed
}

/** Serves the emulators until a signal; see src/emulators. Loaded only for this. */
export async function runEmulators(
  options: Omit<
    Parameters<typeof import('./emulators/serve.ts').serveEmulators>[0],
    'clock' | 'runnerPath'
  >,
  root: URL,
): Promise<void> {
  const { serveEmulators } = await import('./emulators/serve.ts')
  const runnerPath = fileOf(root, 'templates/run_notebook.py')
  await serveEmulators({ ...options, clock: systemClock, runnerPath })
}

export { loadTemplates } from './store/template-files.ts'
