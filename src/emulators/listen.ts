import type { Server } from 'node:net'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'

/**
 * Listens on the wished port, or on the last one when any will do and it is free, and says which.
 * Throws `conflict` (`port_taken`, `port_refused`).
 */
export async function listen(
  server: Server,
  host: string,
  wished: number,
  last: number | null,
): Promise<number> {
  const attempt = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : port)
      })
    })
  if (wished === 0 && last !== null) {
    try {
      return await attempt(last)
    } catch {
      return await attempt(0) // taken by somebody else meanwhile
    }
  }
  try {
    return await attempt(wished)
  } catch (cause) {
    throw new AppError(
      'conflict',
      `port ${wished} of ${host} cannot be used: ${messageOf(cause)}`,
      {
        code: systemCode(cause) === 'EADDRINUSE' ? 'port_taken' : 'port_refused',
        cause,
        next: 'Choose another port, or 0 for any free one',
      },
    )
  }
}
