import { type Emulator, startEmulator } from '../emulator.ts'
import type { TunnelAdmin } from './admin.ts'
import type { TunnelEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

export type TunnelEmulator = Emulator<TunnelAdmin>

/**
 * Starts the edges of ngrok and of Cloudflare's quick tunnels as one local server; endpoints pass requests on to servers of this
 * machine. It speaks HTTP alone. Throws `conflict` when another one has the folder or the port.
 */
export async function startTunnelEmulator(options: TunnelEmulatorOptions): Promise<TunnelEmulator> {
  const { emulator } = await startEmulator('tunnels', options, openState, ({ file }) =>
    createService(options, file),
  )
  return emulator
}
