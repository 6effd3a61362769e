import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inWords, serviceAddress } from './app/address.ts'
import { openAlerts } from './app/alerts.ts'
import { type Artifacts, openArtifacts } from './app/artifacts.ts'
import { openBackups } from './app/backups.ts'
import { openFace } from './app/face.ts'
import { openHub } from './app/hub.ts'
import { openNodes } from './app/nodes.ts'
import { openPlans } from './app/plans.ts'
import { openProviders, type Providers } from './app/providers.ts'
import { openPublishing } from './app/publishing.ts'
import { openReal, type Real } from './app/real.ts'
import { openSealed } from './app/sealed.ts'
import { openStorage, type Storage } from './app/storage.ts'
import { trlPythons } from './app/trl-pythons.ts'
import { openUpkeep } from './app/upkeep.ts'
import { besideEmulators, signsInItself, usesEmulators } from './config/emulated.ts'
import type { Config } from './config/schema.ts'
import { firstStart } from './control/first-start.ts'
import { serveSessionNotebook } from './control/serve-session-notebook.ts'
import { sessionNotebook } from './control/session-notebook.ts'
import type { WantedRun } from './control/start-run.ts'
import { takeBack } from './control/take-back.ts'
import { startBeat } from './daemon/heart.ts'
import { stopLocalSessions } from './daemon/stop-local.ts'
import { closeServer, listen } from './http/listen.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { AppError, messageOf } from './lib/errors.ts'
import type { Log } from './lib/log.ts'
import { newId, newSecret, sha256Hex } from './lib/random.ts'
import { ServePlan } from './notebooks/serve-plan.ts'
import { giveUpNode } from './rotation/give-up-node.ts'
import { tick } from './rotation/tick.ts'
import type { TickPorts } from './rotation/tick-ports.ts'
import { openRelay } from './serving/relay.ts'
import { removeServiceFile, writeServiceFile } from './store/data-folder.ts'
import { loadTemplates } from './store/template-files.ts'

export { offlineBackups } from './app/backups.ts'
export { keepHubToken } from './app/hub.ts'
export { whoIs } from './app/providers.ts'
export { trlPythons } from './app/trl-pythons.ts'
export { serverTime } from './providers/server-time.ts'
export { loadTemplates } from './store/template-files.ts'

interface ServiceOptions {
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
  /** Begins the run that really trains, over the emulators; see `openReal`. */
  readonly real?: boolean
  /** Opens a tunnel to the service, for this run of it. */
  readonly tunnel?: boolean
  /** Fires when the start is not waited for any longer. */
  readonly stop?: AbortSignal
}

/**
 * Everything wired from a configuration, listening, its beats going.
 * @throws AppError of the data folder, the address, the tunnel or `--real`, whichever cannot be had
 */
export async function startService(options: ServiceOptions) {
  const { root, log } = options
  const stop = options.stop ?? new AbortController().signal
  // Before anything is made.
  if (options.real) trlPythons(options.config, root).required()
  const clock = options.clock ?? systemClock
  const now = () => clock.now()
  const storage = await openStorage(
    options.config.RODIZIO_DATA_DIR,
    root,
    now,
    options.acceptClock === true,
  )
  const undo: (() => Promise<void> | void)[] = [storage.close]
  try {
    const { look, rotation, folder } = storage
    const newestEvent = await look.newestEvent()
    const emulate = usesEmulators(options.config, await hasRealAccount(storage))
    const config = emulate
      ? besideEmulators(options.config, storage.hasFolderRuns())
      : options.config
    const address = serviceAddress({
      config,
      withTunnel: options.tunnel === true,
      path: options.path,
      clock,
      told: (news) => {
        note()
        log.warn({ event: `tunnel.${news.kind}`, ...news, message: inWords(news) })
      },
      stop,
    })
    const real = options.real ? await openReal({ ...options, emulate, stop }, storage) : undefined
    const { isPublic } = address
    const providers = openProviders({ ...options, config, clock, emulate, isPublic }, storage)
    let ready = false
    const artifacts = openArtifacts(storage, {
      config,
      clock,
      google: providers.google,
      sessionUrl: address.forTransfers,
    })
    const hub = openHub(storage, artifacts, { config, clock })
    const { google } = providers
    const published = openPublishing(storage, artifacts, hub, { config, clock, google })
    const upkeep = openUpkeep(storage, artifacts, clock)
    const told = (error: unknown) => log.error({ event: 'alerts.trouble', ...described(error) })
    const plans = openPlans(storage, providers, artifacts, hub, { config, now })
    const failed = (error: unknown) => log.error({ event: 'beat.failed', ...described(error) })
    const relay = openRelay({ clock })
    const lookThrough = (sessionId: string, timeoutMs: number) => relay.look(sessionId, timeoutMs)
    const giveUp = async (sessionId: string, reason: string) => {
      await giveUpNode(ticks, sessionId, reason)
    }
    const nodes = openNodes(storage, { config, clock, lookThrough, giveUp, failed })
    const alerts = openAlerts(storage, { config, clock, trouble: told })
    const backups = openBackups(storage, artifacts, {
      config,
      clock,
      root,
      version: options.version,
      trouble: (error) => log.error({ event: 'backup.trouble', ...described(error) }),
      google: providers.google,
    })
    const { app, begin, standing } = openFace(
      storage,
      providers,
      artifacts,
      hub,
      { upkeep, nodes, alerts, backups },
      {
        plans: plans.desk,
        version: options.version,
        ready: () => ready,
        unexpected: (error) => log.error({ event: 'unexpected', ...described(error) }),
        now,
        clock,
        relay,
        publishing: published,
        ownAddress: address.shown,
      },
    )
    const { server, url } = await listen(app, config.RODIZIO_HOST, config.RODIZIO_PORT)
    undo.unshift(() => closeServer(server))
    const startedAt = now().toISOString()
    /** What the commands on this machine read: where the service is, from here and from elsewhere. */
    const note = () => {
      const publicUrl = address.public() ?? null
      writeServiceFile(folder.root, { pid: process.pid, url, publicUrl, startedAt })
    }
    undo.unshift(() => removeServiceFile(folder.root))
    undo.unshift(address.close)
    note()
    await address.open(url)
    storage.admin.keep()
    note()

    const { emulators } = providers
    const trouble: TickPorts['trouble'] = (error, about) => {
      // The tunnel has said so itself.
      if (error instanceof AppError && error.code === 'no_address') return
      log.warn({ event: 'tick.trouble', message: messageOf(error), ...about })
    }
    const sealed = openSealed(storage, artifacts, { now, trouble, bases: hub.bases })
    const ticks: TickPorts = {
      ...plans.shared,
      store: rotation,
      renderNotebook: async (run, session, ticket, account) => {
        const templates = loadTemplates(new URL('templates/', root))
        const open = () => ({ controlUrl: address.forNotebook(session.provider), ticket })
        if (run.serving) {
          const facts = await artifacts.adapters.facts(ServePlan.parse(run.plan).adapter)
          return serveSessionNotebook(run, session, account, open(), facts, templates)
        }
        const way = session.sealed ? { sealed: await sealed.order(run, session) } : open()
        const { train } = await storage.mustHave(run.datasetVersion)
        return sessionNotebook(run, session, account, way, train, templates)
      },
      newTicket: () => {
        const ticket = newSecret('rzt')
        return { ticket, hash: sha256Hex(ticket) }
      },
      newSessionId: () => newId('ses'),
      trouble,
      quotaMaxAgeSeconds: emulators ? 5 : 60,
      quotaAsked: new Map(),
      sealed,
    }
    const work = async () => {
      if (!ready) await prepare(storage, providers, artifacts, begin, config, root, real, failed)
      ready = true
      // Before the tick, which gives what was opened its first session.
      await standing.look()
      await tick(ticks)
      await sealed.sweep()
      await nodes.tick()
    }
    undo.unshift(nodes.start())
    const wanted = config.RODIZIO_TICK_SECONDS
    const everySeconds = emulators ? Math.min(1, wanted) : wanted
    const stopTicks = startBeat({ everySeconds, work, failed }, clock)
    undo.unshift(stopTicks)
    const endOrphans = async () =>
      providers.colabCli.endOrphans(
        async () => new Set((await rotation.openSessions()).map(({ name }) => name)),
      )
    undo.unshift(startBeat({ everySeconds: 300, work: endOrphans, failed }, clock))
    const publish = async () => {
      if (ready) await published.look()
    }
    undo.unshift(startBeat({ everySeconds: 3, work: publish, failed }, clock))
    /** What a removal that was cut short, or met a store out of reach, has left. */
    const goOn = async () => {
      if (ready) await upkeep.removals.sweep()
    }
    undo.unshift(startBeat({ everySeconds: 10, work: goOn, failed }, clock))
    await alerts.begin()
    const { desk, watch, heartbeat } = alerts
    const stopTelling = startBeat({ everySeconds: 2, work: () => desk.look(), failed }, clock)
    undo.unshift(async () => {
      await stopTelling()
      // A server that hangs is not waited for: what it was being sent is sent again, under the same id.
      const settled = new AbortController()
      await Promise.race([desk.settled(), systemClock.sleep(5000, settled.signal)])
      settled.abort() // a timer that goes on would keep the process for so long
    })
    undo.unshift(startBeat({ everySeconds: 300, work: watch.look, failed }, clock))
    let isStart = true
    const prune = async () => {
      // A start has enough to do.
      if (!isStart) await storage.pruneOld()
      isStart = false
    }
    undo.unshift(startBeat({ everySeconds: 600, work: prune, failed }, clock))
    await backups.begin()
    let isFirstLook = true
    const keepSafe = async () => {
      // As above: what was missed is made up for five minutes after a start.
      if (!isFirstLook) await backups.look()
      isFirstLook = false
    }
    const stopBackups = startBeat({ everySeconds: 300, work: keepSafe, failed }, clock)
    undo.unshift(async () => {
      // One that is under way is not waited for: it is not there until it is whole, and is made up for.
      await Promise.race([stopBackups(), systemClock.sleep(2000)])
    })
    if (heartbeat) undo.unshift(startBeat({ everySeconds: 300, work: heartbeat, failed }, clock))
    if (emulators) {
      const claim = async () => {
        await emulators.ensure()
        await emulators.claim()
      }
      undo.unshift(startBeat({ everySeconds: 10, work: claim, failed }, clock))
    }
    return {
      url,
      /** The address of the tunnel, where one was asked for. */
      tunnel: options.tunnel ? address.public() : undefined,
      emulated: emulators !== undefined,
      /** What was made ready for the run that really trains, where it was asked for. */
      real: real?.told,
      /** Whether Drive and Colab are in play beside Kaggle. */
      withGoogle: providers.google !== undefined,
      token: storage.admin,
      /** Who gets alerts by mail; null while they are kept in the inbox. */
      mailTo: alerts.mailTo,
      dataDir: folder.root,
      /** The last event that an earlier start has told; later ones are news. */
      newestEvent,
      /** Events after an id, oldest first, at most 200. */
      events: (after: number) => look.events(after, 200),
      /** Trainings that go on. */
      progress: async () => (await rotation.openRuns()).filter(({ serving }) => serving === null),
      /** Asks sessions on this machine for a checkpoint, waits for them, closes everything in order; the last events. */
      async stop(after: number) {
        // No tick any more: it would give a session that ends here its successor at once.
        await stopTicks()
        await stopLocalSessions(rotation, providers.local, clock)
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

/** What only needs doing before the first tick, while the service answers already: sweeping, emulators, the sample. */
async function prepare(
  storage: Storage,
  providers: Providers,
  artifacts: Artifacts,
  begin: (wanted: WantedRun, dryRun: boolean) => Promise<unknown>,
  config: Config,
  root: URL,
  real: Real | undefined,
  told: (error: unknown) => void,
): Promise<void> {
  const { local, emulators } = providers
  const open = new Set((await storage.rotation.openSessions()).map(({ name }) => name))
  await local.endOrphans(open)
  await storage.files.sweep()
  await takeBackAfterRestore(storage, providers, artifacts, told)
  // What is left over can wait for a better day: a store that cannot be reached must not keep the service from starting.
  await artifacts.checkpoints.sweep().catch(told)
  if (!emulators) return
  // Asked before the emulators are: they could only say so in their own log.
  providers.python()
  await emulators.ensure()
  const { google } = providers
  await firstStart({
    accounts: storage.accounts,
    emulators,
    google: google && signsInItself(config) ? google.signIn : undefined,
    sleep: (seconds) => systemClock.sleep(seconds * 1000),
    hasRuns: storage.hadRuns,
    withSample: config.RODIZIO_SAMPLE,
    real: real?.start,
    importSample: async () => {
      const file = readFileSync(new URL('templates/sample/about-rodizio.jsonl', root))
      const { dataset } = await storage.importData(inOnePiece(file), 'about-rodizio', true)
      return dataset.version
    },
    startRun: (wanted) => begin(wanted, false),
  })
}

/**
 * Before anything is swept, and before a run goes on: what was committed between a backup and the loss may stand in the store.
 * @throws AppError while the store cannot be asked: then it is tried again, and nothing begins before
 */
async function takeBackAfterRestore(
  storage: Storage,
  { emulators }: Providers,
  artifacts: Artifacts,
  told: (error: unknown) => void,
): Promise<void> {
  const ports = {
    ...storage.takeBackRows,
    ...artifacts.found,
    inventory: artifacts.inventory,
    openRuns: storage.rotation.openRuns,
    trouble: told,
  }
  if (!emulators) return void (await takeBack(ports))
  // The emulators of the lost folder are lost with it.
  if (!(await ports.isWanted())) return
  await emulators.ensure()
  await takeBack(ports).catch(told)
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const hasRealAccount = async ({ accounts }: Storage): Promise<boolean> =>
  (await accounts.every()).some(({ provider, emulated }) => provider !== 'local' && !emulated)

const described = (error: unknown) => ({
  message: messageOf(error),
  ...(error instanceof Error ? { stack: error.stack } : {}),
})

type ServeOptions = Parameters<typeof import('./emulators/serve.ts').serveEmulators>[0]

/**
 * Serves the emulators until a signal; their code is loaded for this alone. Notebooks of the engine `trl` run in the prepared
 * Python that has the library versions of the provider, where there is one.
 */
export async function runEmulators(
  options: Omit<ServeOptions, 'clock' | 'runnerPath' | 'agentPath'>,
  config: Config,
  root: URL,
): Promise<void> {
  const { serveEmulators } = await import('./emulators/serve.ts')
  const program = (name: string) => fileURLToPath(new URL(`templates/${name}.py`, root))
  const trl = trlPythons(config, root)
  await serveEmulators({
    ...options,
    kaggle: { ...options.kaggle, pythonFor: (notebook) => trl.of('kaggle', notebook) },
    colab: { ...options.colab, pythonFor: (notebook) => trl.of('colab', notebook) },
    clock: systemClock,
    runnerPath: program('run_notebook'),
    agentPath: program('emulated_cloudflared'),
  })
}
