import { type Emulator, startEmulator } from '../emulator.ts'
import { resolvePython } from '../notebook-process.ts'
import type { KaggleAdmin } from './admin.ts'
import type { KaggleEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

export type KaggleEmulator = Emulator<KaggleAdmin>

/**
 * Starts Kaggle as a local server that executes what is pushed to it. Throws `conflict` when another one has the folder
 * or the port, `unavailable` when there is no Python.
 */
export async function startKaggleEmulator(options: KaggleEmulatorOptions): Promise<KaggleEmulator> {
  const pythonPath = resolvePython(options.pythonPath ?? 'python3')
  const { emulator } = await startEmulator(
    'kaggle',
    options,
    (folder) => openState(folder, options.seed ?? 1),
    ({ file, url }) => createService(options, { file, url, pythonPath }),
  )
  return emulator
}
