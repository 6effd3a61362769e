import { type Emulator, startEmulator } from '../emulator.ts'
import type { HubAdmin } from './admin.ts'
import type { HubEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

export type HubEmulator = Emulator<HubAdmin>

/**
 * Starts the Hugging Face hub as a local server that gives out models: listings, files, gated repositories, signed addresses.
 * Throws `conflict` when another one has the folder or the port.
 */
export async function startHubEmulator(options: HubEmulatorOptions): Promise<HubEmulator> {
  const { emulator } = await startEmulator('hub', options, openState, (place) =>
    createService(options, place),
  )
  return emulator
}
