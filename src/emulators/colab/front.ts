import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import { selfSigned } from '../certificate.ts'
import { readJsonFile, writeJsonFile, writeTextFile } from '../json-file.ts'

/** The one name that the command line knows the service by: it is written into the program. */
export const COLAB_HOST = 'colab.research.google.com'

const Kept = z.object({ key: z.string(), certificate: z.string() })

/**
 * The door for a client whose service address cannot be set: it takes this emulator for its proxy, asks for a tunnel to
 * Colab, and trusts a certificate that only this folder knows. No other host can be reached through it.
 */
export function createFront(
  folder: string,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const keyPath = join(folder, 'front.json')
  const certificatePath = join(folder, 'front.pem')
  const kept = Kept.safeParse(readJsonFile(keyPath))
  const { key, certificate } = kept.success ? kept.data : selfSigned(COLAB_HOST)
  writeJsonFile(keyPath, { key, certificate })
  writeTextFile(certificatePath, certificate)
  const server = createServer({ key, cert: certificate }, handle)
  const open = new Set<Duplex>()
  return {
    certificatePath,
    /** Answers `CONNECT host:port`. */
    tunnel: (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      socket.once('error', () => socket.destroy())
      if (request.url !== `${COLAB_HOST}:443`) {
        socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n')
        return
      }
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      if (head.length > 0) socket.unshift(head)
      server.emit('connection', socket)
    },
    close: (): void => {
      for (const socket of open) socket.destroy()
      server.close()
    },
  }
}

export type Front = ReturnType<typeof createFront>
