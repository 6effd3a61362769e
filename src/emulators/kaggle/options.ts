import type { ClaimOptions, EmulatorOptions } from '../emulator.ts'
import type { PythonFor } from '../notebook-process.ts'

/** Who may call, by user name. A user listed without `key` and without `token` cannot sign in. */
export type EmulatedUsers = Readonly<
  Record<string, { readonly key?: string; readonly token?: string }>
>

/** A model of Kaggle's own. */
export interface EmulatedModel {
  /** `owner/model/framework/variation/version` */
  readonly source: string
  /** The folder of its files. */
  readonly folder: string
}

/** What the emulated Kaggle grants and how it behaves. */
export interface KaggleSettings {
  readonly weeklyHours: number
  /** A running GPU session books so many hours less its age. */
  readonly reservedHoursPerSession: number
  readonly maxConcurrentGpu: number
  readonly maxConcurrentCpu: number
  /** The longest that any session may run, in seconds. */
  readonly sessionCapSeconds: number
  /** How long a session is QUEUED, and a data set not READY, in seconds. */
  readonly queueSeconds: number
  /** Added before every answer. */
  readonly latencyMs: number
  /** Speed of each connection, both ways; unlimited when left out. */
  readonly bytesPerSecond?: number
  /** Models that may be attached; others are reported as invalid. */
  readonly baseModels: readonly EmulatedModel[]
  /** Any user with a 32-hex key, or a `KGAT_` token, when left out. */
  readonly users?: EmulatedUsers
}

export interface KaggleEmulatorOptions
  extends Partial<KaggleSettings>,
    EmulatorOptions,
    ClaimOptions {
  /** Same seed, same kernel numbers and queue times. */
  readonly seed?: number
  /** Default `python3`, as found on the path. */
  readonly pythonPath?: string
  /** Machines of another image for some notebooks. */
  readonly pythonFor?: PythonFor
  /** The program that runs a notebook's cells: `--notebook FILE --cwd DIR --exit-file FILE`. */
  readonly runnerPath: string
  /** A folder of programs that its machines have on their path, before all others. */
  readonly programs?: string
}

export const defaultSettings: KaggleSettings = {
  weeklyHours: 30,
  reservedHoursPerSession: 12,
  maxConcurrentGpu: 2,
  maxConcurrentCpu: 5,
  sessionCapSeconds: 12 * 3600,
  queueSeconds: 1,
  latencyMs: 0,
  baseModels: [],
}
