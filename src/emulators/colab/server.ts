import { type Emulator, startEmulator } from '../emulator.ts'
import { resolvePython } from '../notebook-process.ts'
import type { ColabAdmin } from './admin.ts'
import type { ColabEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

/** The backend, the runtimes, `/_emulator/…` and the proxy all answer at its address. */
export interface ColabEmulator extends Emulator<ColabAdmin> {
  /**
   * What the official command line needs in its environment to come here: its service address is written into it, so
   * that it takes this emulator for its HTTPS proxy and trusts its throw-away certificate. No other host is reached.
   */
  readonly clientEnvironment: Readonly<Record<string, string>>
}

/**
 * Starts Colab as a local server: the backend of the official command line, with real Jupyter servers as its machines,
 * and a person who opens notebooks. Throws `conflict` when another one has the folder or the port, `unavailable` when
 * there is no Python.
 */
export async function startColabEmulator(options: ColabEmulatorOptions): Promise<ColabEmulator> {
  const pythonPath = resolvePython(options.pythonPath ?? 'python3')
  const jupyterPython =
    options.jupyterPython === undefined ? undefined : resolvePython(options.jupyterPython)
  const { emulator, service } = await startEmulator(
    'colab',
    options,
    openState,
    ({ server, ...place }) => {
      const made = createService(options, { ...place, pythonPath, jupyterPython })
      server.on('connect', made.tunnel).on('upgrade', made.upgrade)
      return made
    },
  )
  return { ...emulator, clientEnvironment: service.clientEnvironment }
}
