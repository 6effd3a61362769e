import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Breaks a connection without a word: by a reset, or under TLS, where Node sends none, by closing it without its farewell. */
export function breakOff(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy()
  else socket.resetAndDestroy()
}
