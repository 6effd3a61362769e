import { createServer } from 'node:http'
import { join } from 'node:path'
import { lockFolder } from '../folder-lock.ts'
import { listen } from '../listen.ts'
import { resolvePython } from '../notebook-process.ts'
import type { ColabAdmin } from './admin.ts'
import type { ColabEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

export interface ColabEmulator {
  /** `http://host:port`, without a slash at the end: the backend, the runtimes, `/_emulator/…` and the proxy. */
  readonly url: string
  readonly port: number
  /** For the header `x-emulator-token` of `/_emulator/…`. */
  readonly adminToken: string
  readonly admin: ColabAdmin
  /**
   * What the official command line needs in its environment to come here: its service address is written into it, so
   * that it takes this emulator for its HTTPS proxy and trusts its throw-away certificate. No other host is reached.
   */
  readonly clientEnvironment: Readonly<Record<string, string>>
  /** Ends everything that runs and forgets it; goes on serving. */
  reset(): void
  /** Stops serving and ends what runs; `keepSessions` leaves it alive for the next start in the same folder. */
  close(how?: { readonly keepSessions?: boolean }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
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
  const folder = join(options.stateDir, 'colab')
  const lock = lockFolder(folder)
  const file = openState(folder)
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
  const service = createService(options, { file, folder, url, pythonPath, jupyterPython })
  server.on('request', service.handle)
  server.on('connect', service.tunnel)
  server.on('upgrade', service.upgrade)

  let closing: Promise<void> | undefined
  const close = ({ keepSessions = false } = {}): Promise<void> => {
    closing ??= (async () => {
      await service.stop(keepSessions)
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
    clientEnvironment: service.clientEnvironment,
    reset: service.admin.reset,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}
