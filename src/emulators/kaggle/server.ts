import { createServer } from 'node:http'
import { join } from 'node:path'
import { lockFolder } from '../folder-lock.ts'
import { listen } from '../listen.ts'
import { resolvePython } from '../notebook-process.ts'
import type { KaggleAdmin } from './admin.ts'
import type { KaggleEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

export interface KaggleEmulator {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** For the header `x-emulator-token` of `/_emulator/…`. */
  readonly adminToken: string
  readonly admin: KaggleAdmin
  /** Ends all sessions and forgets everything; goes on serving. */
  reset(): void
  /** Stops serving and ends all sessions; `keepSessions` leaves them alive for the next start in the same folder. */
  close(how?: { readonly keepSessions?: boolean }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts Kaggle as a local server that executes what is pushed to it. Throws `conflict` when another one has the folder
 * or the port, `unavailable` when there is no Python.
 */
export async function startKaggleEmulator(options: KaggleEmulatorOptions): Promise<KaggleEmulator> {
  const pythonPath = resolvePython(options.pythonPath ?? 'python3')
  const folder = join(options.stateDir, 'kaggle')
  const lock = lockFolder(folder)
  const file = openState(folder, options.seed ?? 1)
  const server = createServer()
  const host = options.host ?? '127.0.0.1'
  let port: number
  try {
    port = await listen(server, host, options.port ?? 0, file.state.port)
  } catch (error) {
    lock.release()
    throw error
  }
  file.state.port = port
  file.save()
  const url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`
  const service = createService(options, { file, url, pythonPath })
  server.on('request', service.handle)

  let closing: Promise<void> | undefined
  const close = ({ keepSessions = false } = {}): Promise<void> => {
    closing ??= (async () => {
      service.stop(keepSessions)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      lock.release()
    })()
    return closing
  }
  service.whenAbandoned(() => void close().then(options.onAbandoned))
  return {
    url,
    port,
    adminToken: service.adminToken,
    admin: service.admin,
    reset: service.admin.reset,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}
