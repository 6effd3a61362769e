import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { iso } from '../lib/clock.ts'
import { processStartedAt } from '../lib/processes.ts'
import { driveLinks } from './colab/drive-links.ts'
import type { ColabEmulatorOptions, ColabSettings } from './colab/options.ts'
import { type ColabEmulator, startColabEmulator } from './colab/server.ts'
import type { GoogleEmulatorOptions } from './google/options.ts'
import { type GoogleEmulator, startGoogleEmulator } from './google/server.ts'
import { repositoriesBelow } from './hub/repositories.ts'
import { type HubEmulator, startHubEmulator } from './hub/server.ts'
import { writeJsonFile } from './json-file.ts'
import type { KaggleEmulatorOptions } from './kaggle/options.ts'
import { startKaggleEmulator } from './kaggle/server.ts'
import { putAgentProgram } from './ngrok/agent-program.ts'
import { resolvePython } from './notebook-process.ts'
import { type FrontOptions, type Fronts, type FrontUrls, startFronts } from './serve-fronts.ts'

export interface ServeOptions extends FrontOptions {
  readonly stateDir: string
  readonly runnerPath: string
  /** The emulated `cloudflared`, which machines have where the edges of tunnels are served; they have none when left out. */
  readonly agentPath?: string
  readonly clock: Clock
  /** One line of JSON in place of a sentence. */
  readonly json: boolean
  /** Takes the one line, with its newline. */
  readonly write: (line: string) => void
  readonly host?: string
  readonly pythonPath?: string
  /** Everything ends when nobody claimed it for so long; never, when left out. */
  readonly claimSeconds?: number
  readonly kaggle?: Omit<
    KaggleEmulatorOptions,
    'stateDir' | 'runnerPath' | 'programs' | 'clock' | 'claimSeconds' | 'onAbandoned'
  >
  readonly google?: Omit<
    GoogleEmulatorOptions,
    'stateDir' | 'clock' | 'host' | 'adminToken' | 'onClaim'
  >
  readonly colab?: Partial<ColabSettings> &
    Pick<ColabEmulatorOptions, 'jupyterPython' | 'pythonFor'>
  /** Where models stand, as `owner/name`: each is a gated repository of an emulated hub. There is none when left out. */
  readonly hubModels?: string
  /** Ends the serving, as SIGTERM and SIGINT do. */
  readonly signal?: AbortSignal
}

/** What `emulators.json` in the state folder says while they serve. Only its owner may read it. */
export interface EmulatorsFile {
  readonly pid: number
  /** The system's own word for when that process began: with the pid it names one process. */
  readonly startTime: string | null
  readonly startedAt: string
  readonly urls: {
    readonly kaggle: string
    /** Where `/drive/v3` and `/upload/drive/v3` begin. */
    readonly drive: string
    /** Where Google gives tokens; `device/code` and `revoke` stand beside it. */
    readonly googleToken: string
    /** The backend of Colab's command line, and where a person opens notebooks. */
    readonly colab: string
    /** The hub of models, where it was asked for. */
    readonly hub?: string
  } & FrontUrls
  /** For the header `x-emulator-token` of each of them. */
  readonly adminToken: string
}

export const emulatorsFilePath = (stateDir: string): string => join(stateDir, 'emulators.json')

/**
 * Serves all emulators until a signal, an abort or the lack of a claim, and ends their sessions with them. Says where they
 * are in one line as soon as they answer. Throws `conflict` when another process serves from the same folder.
 */
export async function serveEmulators(options: ServeOptions): Promise<void> {
  const { stateDir, runnerPath, clock, host, pythonPath, claimSeconds } = options
  const ending = Promise.withResolvers<void>()
  const leave = (): void => ending.resolve()
  const { agentPath } = options
  const programs =
    options.tunnels && agentPath !== undefined
      ? { programs: join(stateDir, 'programs') }
      : undefined
  const kaggle = await startKaggleEmulator({
    ...options.kaggle,
    stateDir,
    runnerPath,
    ...programs,
    clock,
    ...(host === undefined ? {} : { host }),
    ...(pythonPath === undefined ? {} : { pythonPath }),
    ...(claimSeconds === undefined ? {} : { claimSeconds }),
    onAbandoned: leave,
  })
  let google: GoogleEmulator | undefined
  let colab: ColabEmulator | undefined
  let hub: HubEmulator | undefined
  let fronts: Fronts | undefined
  try {
    google = await startGoogleEmulator({
      ...options.google,
      stateDir,
      clock,
      ...(host === undefined ? {} : { host }),
      adminToken: kaggle.adminToken,
      onClaim: kaggle.admin.claim,
    })
    colab = await startColabEmulator({
      ...options.colab,
      ...driveLinks(google),
      stateDir,
      runnerPath,
      ...programs,
      clock,
      ...(host === undefined ? {} : { host }),
      ...(pythonPath === undefined ? {} : { pythonPath }),
      adminToken: kaggle.adminToken,
    })
    if (options.hubModels !== undefined) {
      hub = await startHubEmulator({
        repositories: repositoriesBelow(options.hubModels),
        stateDir,
        clock,
        ...(host === undefined ? {} : { host }),
        adminToken: kaggle.adminToken,
        onClaim: kaggle.admin.claim,
      })
    }
    fronts = await startFronts(options, {
      stateDir,
      clock,
      ...(host === undefined ? {} : { host }),
      adminToken: kaggle.adminToken,
      onClaim: kaggle.admin.claim,
    })
    if (programs && agentPath !== undefined && fronts.urls.tunnels !== undefined) {
      const python = resolvePython(pythonPath ?? 'python3')
      const edgeUrl = fronts.urls.tunnels
      putAgentProgram({ folder: programs.programs, pythonPath: python, agentPath, edgeUrl })
    }
  } catch (error) {
    await Promise.all([kaggle, google, colab, hub, fronts].map((one) => one?.close()))
    throw error
  }
  process.once('SIGTERM', leave).once('SIGINT', leave)
  options.signal?.addEventListener('abort', leave, { once: true })
  try {
    const found: EmulatorsFile = {
      pid: process.pid,
      startTime: processStartedAt(process.pid),
      startedAt: iso(clock.now()),
      urls: {
        kaggle: kaggle.url,
        drive: google.url,
        googleToken: google.tokenUrl,
        colab: colab.url,
        ...(hub ? { hub: hub.url } : {}),
        ...fronts.urls,
      },
      adminToken: kaggle.adminToken,
    }
    writeJsonFile(emulatorsFilePath(stateDir), found)
    options.write(
      options.json
        ? `${JSON.stringify(found.urls)}\n`
        : `Kaggle (emulated) at ${kaggle.url} runs what is pushed to it; Google Drive (emulated) at ${google.url}; Colab (emulated, a person included) at ${colab.url}${hub ? `; the hub of models (emulated) at ${hub.url}` : ''}${fronts.places.map((place) => `; ${place}`).join('')}. Ctrl-C ends them.\n`,
    )
    if (options.signal?.aborted) leave()
    await ending.promise
  } finally {
    process.off('SIGTERM', leave).off('SIGINT', leave)
    rmSync(emulatorsFilePath(stateDir), { force: true })
    await Promise.all([kaggle, google, colab, hub, fronts].map((one) => one?.close()))
  }
}
