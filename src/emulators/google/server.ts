import { createServer } from 'node:http'
import { join } from 'node:path'
import { lockFolder } from '../folder-lock.ts'
import { listen } from '../listen.ts'
import type { GoogleAdmin } from './admin.ts'
import type { GoogleEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

export interface GoogleEmulator {
  /** `http://host:port`, without a slash at the end: where `/drive/v3` and `/upload/drive/v3` begin. */
  readonly url: string
  /** Where tokens are given; `device/code` and `revoke` stand beside it, as on the live service. */
  readonly tokenUrl: string
  readonly port: number
  /** For the header `x-emulator-token` of `/_emulator/…`. */
  readonly adminToken: string
  readonly admin: GoogleAdmin
  /** Forgets everything; goes on serving. */
  reset(): void
  /** Stops serving. What is stored stays for the next start in the same folder. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts Google Drive and Google's token endpoints as a local server. Throws `conflict` when another one has the folder or
 * the port.
 */
export async function startGoogleEmulator(options: GoogleEmulatorOptions): Promise<GoogleEmulator> {
  const folder = join(options.stateDir, 'google')
  const lock = lockFolder(folder)
  const server = createServer()
  const host = options.host ?? '127.0.0.1'
  let file: ReturnType<typeof openState>
  let port: number
  try {
    file = openState(folder)
    port = await listen(server, host, options.port ?? 0, file.state.port)
  } catch (error) {
    lock.release()
    throw error
  }
  file.state.port = port
  file.save()
  const url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`
  const service = createService(options, { file, url })
  server.on('request', service.handle)

  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= (async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      lock.release()
    })()
    return closing
  }
  return {
    url,
    tokenUrl: `${url}/token`,
    port,
    adminToken: service.adminToken,
    admin: service.admin,
    reset: service.admin.reset,
    close,
    [Symbol.asyncDispose]: close,
  }
}
