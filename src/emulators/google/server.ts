import { type Emulator, startEmulator } from '../emulator.ts'
import type { GoogleAdmin } from './admin.ts'
import type { GoogleEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

/** `/drive/v3` and `/upload/drive/v3` begin at its address. */
export interface GoogleEmulator extends Emulator<GoogleAdmin> {
  /** Where tokens are given; `device/code` and `revoke` stand beside it, as on the live service. */
  readonly tokenUrl: string
}

/**
 * Starts Google Drive and Google's token endpoints as a local server. Throws `conflict` when another one has the folder or
 * the port.
 */
export async function startGoogleEmulator(options: GoogleEmulatorOptions): Promise<GoogleEmulator> {
  const { emulator } = await startEmulator('google', options, openState, (place) =>
    createService(options, place),
  )
  return { ...emulator, tokenUrl: `${emulator.url}/token` }
}
