import { artifactPrefix } from '../artifacts/checkpoint.ts'
import { setServing } from '../control/accept-serving.ts'
import { readCredentials, testAccount } from '../control/account-access.ts'
import { addAccount } from '../control/accounts.ts'
import { adapterDesk } from '../control/adapters.ts'
import { adjustBudget } from '../control/adjust-budget.ts'
import type { BackupDesk } from '../control/backup-desk.ts'
import type { PlanDesk } from '../control/plan-desk.ts'
import type { Publishing } from '../control/publishing.ts'
import { removeAccount } from '../control/remove-account.ts'
import { runOutlook } from '../control/run-outlook.ts'
import { servedVersions } from '../control/served-version.ts'
import { addPolicy, changePolicy } from '../control/serving-policies.ts'
import { sessionDesk } from '../control/session-desk.ts'
import { standingDesk } from '../control/standing-desk.ts'
import { startRun, type WantedRun } from '../control/start-run.ts'
import { tokenDesk } from '../control/tokens.ts'
import { uploadDesk } from '../control/upload-desk.ts'
import { httpApp } from '../http/app.ts'
import type { Clock } from '../lib/clock.ts'
import type { Plan } from '../notebooks/plan.ts'
import { ServePlan } from '../notebooks/serve-plan.ts'
import type { Relay } from '../serving/relay.ts'
import type { Alerts } from './alerts.ts'
import type { Artifacts } from './artifacts.ts'
import type { Hub } from './hub.ts'
import type { Nodes } from './nodes.ts'
import type { Providers } from './providers.ts'
import type { Storage } from './storage.ts'
import type { Upkeep } from './upkeep.ts'

export interface FaceOptions {
  readonly plans: PlanDesk
  readonly version: string
  readonly ready: () => boolean
  readonly unexpected: (error: unknown) => void
  readonly now: () => Date
  readonly clock: Clock
  readonly relay: Relay
  readonly publishing: Publishing
  /** Where this service is reached: from elsewhere where it can be, else from its own machine. */
  readonly ownAddress: () => string
}

/** What goes on beside the rotation. */
export interface Around {
  readonly upkeep: Upkeep
  readonly nodes: Nodes
  readonly alerts: Alerts
  readonly backups: BackupDesk
}

/** Who asks before anything begins waits so long for the hub. */
const dryRunMs = 20_000

/** The use cases on their ports, and the HTTP face on the use cases. */
export function openFace(
  storage: Storage,
  providers: Providers,
  kept: Artifacts,
  hub: Hub,
  { upkeep, nodes, alerts, backups }: Around,
  options: FaceOptions,
) {
  const { gate, look, runs, accounts } = storage
  const { urls, ways, artifacts, checkpoints, adapters, google } = kept
  const { now } = options
  const emulated = providers.emulators !== undefined
  const desk = sessionDesk({
    gate,
    checkpoints,
    adapters,
    bases: hub.bases,
    ways,
    dataWays: urls,
    now,
    dataFiles: storage.dataFiles,
  })
  const uploads = uploadDesk({ gate, desk, artifacts, checkpoints, ways, full: kept.full })
  const ports = {
    dataset: look.dataset,
    runNamed: look.run,
    artifact: look.artifact,
    insertRun: runs.insertRun,
    now,
    emulated,
  }
  const begin = (wanted: WantedRun, dryRun: boolean) => startRun(ports, wanted, dryRun)
  const standing = standingDesk({
    rows: storage.standing,
    start: ports,
    trouble: options.unexpected,
  })
  const outlookPorts = {
    dataset: look.dataset,
    accounts: look.accounts,
    ledger: look.ledger,
    readTrain: (version: string) => storage.files.read(version, 'train.jsonl'),
    baseTrouble: (plan: Plan, isPatient: boolean) =>
      isPatient ? hub.bases.trouble(plan, dryRunMs) : hub.bases.trouble(plan),
    emulated,
    now,
  }
  const policyPorts = {
    runNamed: look.run,
    artifact: look.artifact,
    artifactWith: look.artifactWith,
    insert: storage.policies.insert,
    change: storage.policies.change,
    now,
  }
  const promoted = adapterDesk(storage.adapters)
  const versions = servedVersions({
    desk: promoted,
    book: adapters,
    artifacts,
    clock: options.clock,
    direct: kept.direct && ((keys) => ways.downloads('', keys.map(storedAt))),
  })
  const app = httpApp({
    adminToken: storage.admin.token,
    version: options.version,
    // Drive and Colab are in play once a Google client is configured.
    emulated: emulated ? ['kaggle', ...(google ? ['drive', 'colab'] : [])] : [],
    desk,
    uploads,
    urls,
    reads: look,
    startRun: begin,
    standing,
    openedBy: standing.openedBy,
    outlook: (run, lookAtRows) => runOutlook(outlookPorts, run, lookAtRows),
    askStop: runs.askStop,
    removals: upkeep.removals,
    cleaning: upkeep.cleaning,
    setPriority: runs.setPriority,
    addPolicy: (wanted, dryRun) => addPolicy(policyPorts, wanted, dryRun),
    changePolicy: (name, change) => changePolicy(policyPorts, name, change),
    stopPolicy: storage.policies.askStop,
    servingOutlook: options.plans.servingOutlook,
    relay: options.relay,
    servedUnder: async (name) => {
      const run = await look.run(name)
      if (!run?.serving) return undefined
      const { keySha256, reach } = ServePlan.parse(run.plan)
      return {
        policyId: run.id,
        keySha256,
        isElsewhere: reach === 'tunnel' || reach === 'local',
        live: await storage.liveSessions(run.id),
      }
    },
    nodeAddress: (policy) =>
      `${options.ownAddress()}/v1/nodes/${encodeURIComponent(policy)}/openai/v1`,
    plan: options.plans.view,
    finishOf: options.plans.finish,
    once: runs.once,
    artifactPath: (runId, label, generation) =>
      kept.pathOf(artifactPrefix(runId, label, generation)),
    google: google?.signIn,
    hub: hub.access,
    importData: storage.importData,
    addAccount: (wanted) => addAccount(accounts, wanted, emulated),
    removeAccount: (name, dryRun) =>
      removeAccount({ rows: accounts, removeSignIn: upkeep.removeSignIn }, name, dryRun),
    setServing: (name, wanted) => setServing(storage.serving, name, wanted),
    adjustBudget: (wanted) => adjustBudget(storage.adjustments, wanted),
    absences: storage.absences,
    nodes: nodes.desk,
    incidents: nodes.incidents,
    adapterDesk: promoted,
    tokens: tokenDesk(storage.tokens, options.now),
    audit: storage.audit,
    backups,
    servedVersions: versions,
    publishing: options.publishing,
    artifactPathOf: async (adapter) => {
      if (kept.direct) return null
      return kept.pathOf(artifactPrefix(adapter.runId, adapter.label, adapter.generation))
    },
    history: nodes.history,
    nodeSession: storage.session,
    nodesUp: storage.nodesUp,
    alertReads: storage.alertReads,
    alertOutbox: storage.outbox,
    alertDesk: alerts.desk,
    alertChannels: alerts.channels,
    testAccount: (name) => testAccount(name, accounts, providers.prove),
    credentialsOf: (given) => readCredentials(given, providers.connect),
    ready: options.ready,
    unexpected: options.unexpected,
    now,
  })
  return { app, begin, standing }
}

/** A file of the store, of which only the place matters. */
const storedAt = (key: string) => ({ path: `store/${key}`, name: '', bytes: 0, sha256: '' })
