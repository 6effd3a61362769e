import type { AddressInfo } from 'node:net'
import { createAdaptorServer, type ServerType } from '@hono/node-server'
import type { OpenAPIHono } from '@hono/zod-openapi'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'

/**
 * Serves the app on an address; port 0 takes a free one.
 * @throws AppError `conflict` (`port_taken`) when another program listens there, `invalid` when it cannot be bound
 */
export async function listen(
  app: OpenAPIHono,
  host: string,
  port: number,
): Promise<{ readonly server: ServerType; readonly url: string }> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    // Of a whole request: a node's answer, and a checkpoint on a slow line, take longer than Node's five minutes.
    serverOptions: { requestTimeout: 3_600_000 },
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  }).catch((error: unknown) => {
    if (systemCode(error) === 'EADDRINUSE') {
      throw new AppError('conflict', `port ${port} on ${host} is taken by another program`, {
        code: 'port_taken',
        next: 'Set RODIZIO_PORT to a free port, or end the program that listens there',
        cause: error,
      })
    }
    throw new AppError('invalid', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
      next: 'Check RODIZIO_HOST and RODIZIO_PORT',
      cause: error,
    })
  })
  // A TCP server's address is never the string of a pipe.
  const { port: taken } = server.address() as AddressInfo
  const shown = host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host
  return { server, url: `http://${shown}:${taken}` }
}

/** Ends the server and every connection that is still open. */
export async function closeServer(server: ServerType): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  if ('closeAllConnections' in server) server.closeAllConnections()
  await closed
}
