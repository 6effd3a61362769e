import type { ClaimOptions, EmulatorOptions } from '../emulator.ts'
import type { PythonFor } from '../notebook-process.ts'

export const Accelerators = ['NONE', 'T4', 'L4', 'G4', 'A100', 'H100', 'V5E1', 'V6E1'] as const
export type Accelerator = (typeof Accelerators)[number]

/** What the emulated Colab grants and how it behaves. The real limits float and are not published. */
export interface ColabSettings {
  /** Runtimes with an accelerator at the same time; one more is refused with 412. */
  readonly maxGpuRuntimes: number
  /** Runtimes of any kind at the same time. */
  readonly maxRuntimes: number
  /** Accelerators that this account may ask for; others are refused with 400. */
  readonly accelerators: readonly Accelerator[]
  /** Accelerator hours in any 24 hours; unlimited when left out. */
  readonly gpuHoursPerDay?: number
  /** The longest that a runtime or an opened notebook may run, in seconds. */
  readonly sessionCapSeconds: number
  /** A runtime without a busy kernel for so many seconds is taken back. */
  readonly idleSeconds: number
  /** Shown as the account's balance; nothing is taken from it. */
  readonly computeUnits: number
  /** Added before every answer. */
  readonly latencyMs: number
  /** Speed of each connection, both ways; unlimited when left out. Runtimes themselves are not slowed down. */
  readonly bytesPerSecond?: number
}

/** A notebook that stands in somebody's Drive. */
export interface FoundNotebook {
  readonly fileId: string
  readonly name: string
}

export interface ColabEmulatorOptions
  extends Partial<ColabSettings>,
    EmulatorOptions,
    ClaimOptions {
  /** A Python with `jupyter_server` and `ipykernel`, for runtimes; without it no runtime can be assigned (501). */
  readonly jupyterPython?: string
  /** Default `python3`, as found on the path: it runs the notebooks that a person opens. */
  readonly pythonPath?: string
  /** Machines of another image for some notebooks. */
  readonly pythonFor?: PythonFor
  /** The program that runs a notebook's cells: `--notebook FILE --cwd DIR --exit-file FILE`. */
  readonly runnerPath: string
  /** A folder of programs that its machines have on their path, before all others. */
  readonly programs?: string
  /** Who a bearer token belongs to, or null (401). Any token belongs to the one user `somebody`, when left out. */
  readonly userOf?: (token: string) => string | null | Promise<string | null>
  /** The text of a notebook in Drive, or null when it is not there; asked when a person opens its link. */
  readonly fetchNotebook?: (fileId: string) => Promise<string | null>
  /** Notebooks that have been put into Drive: the person gets each of them once, as a link. Asked twice a second. */
  readonly listNotebooks?: () => Promise<readonly FoundNotebook[]>
}

export const defaultSettings: ColabSettings = {
  maxGpuRuntimes: 1,
  maxRuntimes: 3,
  accelerators: ['NONE', 'T4'],
  sessionCapSeconds: 12 * 3600,
  idleSeconds: 90 * 60,
  computeUnits: 0,
  latencyMs: 0,
}
