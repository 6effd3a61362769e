import { createServer, type RequestListener, type Server } from 'node:http'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { EmulatorAdmin } from './admin-calls.ts'
import { lockFolder } from './folder-lock.ts'
import { listen } from './listen.ts'
import type { StateFile } from './state-file.ts'

export interface EmulatorOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 (the default): the port of the last time when it is free, else any free one. */
  readonly port?: number
  /** All that it keeps lives here, in a folder of its own; one process at a time. */
  readonly stateDir: string
  readonly clock: Clock
  /** What `x-emulator-token` must say; a random one when left out. */
  readonly adminToken?: string
}

/** One that executes things, and ends itself when it was forgotten. */
export interface ClaimOptions {
  /** The emulator ends itself and its sessions when nobody claimed it for so long; never, when left out. */
  readonly claimSeconds?: number
  /** Called once when `claimSeconds` have passed, after everything is closed. */
  readonly onAbandoned?: () => void
}

/** One that serves. */
export interface Emulator<Admin extends EmulatorAdmin> {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** For the header `x-emulator-token` of `/_emulator/…`. */
  readonly adminToken: string
  readonly admin: Admin
  /** Ends all that runs and forgets everything; goes on serving. */
  reset(): void
  /**
   * Stops serving and ends all that runs; `keepSessions` leaves it alive for the next start in the same folder. What is stored
   * stays for that start.
   */
  close(how?: { readonly keepSessions?: boolean }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Where a service finds itself once it has its folder and its address. */
export interface Place<File extends StateFile> {
  readonly file: File
  readonly folder: string
  readonly url: string
  readonly server: Server
}

/** What answers the requests. */
export interface Service<Admin extends EmulatorAdmin> {
  readonly admin: Admin
  readonly adminToken: string
  readonly handle: RequestListener
  /** Ends what runs, or leaves it alone. */
  stop?(keepSessions: boolean): Promise<void> | void
  whenAbandoned?(leave: () => void): void
}

/**
 * Starts a service in a folder that is its own, at the wished port or the one of the last time. Throws `conflict` when another
 * one has the folder or the port.
 */
export async function startEmulator<
  Admin extends EmulatorAdmin,
  File extends StateFile,
  Made extends Service<Admin>,
>(
  name: string,
  options: EmulatorOptions & ClaimOptions,
  openState: (folder: string) => File,
  serviceAt: (place: Place<File>) => (Made & Service<Admin>) | Promise<Made & Service<Admin>>,
): Promise<{ readonly emulator: Emulator<Admin>; readonly service: Made }> {
  const folder = join(options.stateDir, name)
  const lock = lockFolder(folder)
  const server = createServer()
  const host = options.host ?? '127.0.0.1'
  let port: number
  let url: string
  let service: Made & Service<Admin>
  try {
    const file = openState(folder)
    port = await listen(server, host, options.port ?? 0, file.state.port)
    file.state.port = port
    file.save()
    url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`
    service = await serviceAt({ file, folder, url, server })
  } catch (error) {
    server.close()
    lock.release()
    throw error
  }
  server.on('request', service.handle)

  let closing: Promise<void> | undefined
  const close = ({ keepSessions = false } = {}): Promise<void> => {
    closing ??= (async () => {
      await service.stop?.(keepSessions)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      lock.release()
    })()
    return closing
  }
  service.whenAbandoned?.(() => void close().then(options.onAbandoned))
  const { admin, adminToken } = service
  const emulator: Emulator<Admin> = {
    url,
    port,
    adminToken,
    admin,
    reset: admin.reset,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
  return { emulator, service }
}
