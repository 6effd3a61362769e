import { join } from 'node:path'
import { artifactPrefix } from '../artifacts/checkpoint.ts'
import { readCredentials, testAccount } from '../control/account-access.ts'
import { addAccount } from '../control/accounts.ts'
import { oneTimeUrls } from '../control/one-time-urls.ts'
import { sessionDesk } from '../control/session-desk.ts'
import { startRun, type WantedRun } from '../control/start-run.ts'
import { uploadDesk } from '../control/upload-desk.ts'
import { httpApp } from '../http/app.ts'
import type { Providers } from './providers.ts'
import type { Storage } from './storage.ts'

export interface FaceOptions {
  readonly version: string
  /** The address under which sessions reach this service. */
  readonly sessionUrl: () => string
  readonly ready: () => boolean
  readonly unexpected: (error: unknown) => void
  readonly now: () => Date
}

/** The use cases on their ports, and the HTTP face on the use cases. */
export function openFace(storage: Storage, providers: Providers, options: FaceOptions) {
  const { gate, artifacts, checkpoints, files, look, runs, accounts } = storage
  const { now } = options
  const emulated = providers.emulators !== undefined
  const urls = oneTimeUrls({
    gate,
    artifacts,
    readData: (version, file, range) => files.read(version, file, range.from, range.to),
    baseUrl: options.sessionUrl,
  })
  const desk = sessionDesk({ gate, checkpoints, urls, now, dataFiles: storage.dataFiles })
  const uploads = uploadDesk({ gate, desk, artifacts, checkpoints, urls })
  const ports = { dataset: look.dataset, runNamed: look.run, insertRun: runs.insertRun, now }
  const begin = (wanted: WantedRun, dryRun: boolean) => startRun(ports, wanted, dryRun)
  const app = httpApp({
    adminToken: storage.admin.token,
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
      join(storage.folder.store, artifactPrefix(runId, label, generation)),
    importData: storage.importData,
    addAccount: (wanted) => addAccount(accounts, wanted, emulated),
    testAccount: (name) => testAccount(name, accounts, providers.prove),
    credentialsOf: (given) => readCredentials(given, providers.connect),
    ready: options.ready,
    unexpected: options.unexpected,
    now,
  })
  return { app, begin }
}
