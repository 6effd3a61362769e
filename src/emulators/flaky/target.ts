import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { type Certificate, selfSigned } from '../certificate.ts'
import { listen } from '../listen.ts'
import type { Behaviour } from './behaviour.ts'
import { breakOff } from './break-off.ts'

export interface TargetOptions {
  readonly host: string
  /** Where HTTP is taken; 0 for that of the last time, or any free one. */
  readonly port: number
  readonly lastPorts: { readonly http: number | null; readonly https: number | null }
  /** The name in its certificate. */
  readonly name: string
  readonly behaviour: () => Behaviour
  readonly onConnection: () => void
  readonly handle: RequestListener
}

type Which = 'good' | 'unknown' | 'expired' | 'wrong-name'

/** Two ports at which connections are taken as the behaviour has it, and handed on to HTTP where it lets them come so far. */
export async function openTarget(options: TargetOptions) {
  const { host, name, behaviour } = options
  const certificates: Record<Which, Certificate> = {
    good: selfSigned(name),
    unknown: selfSigned(name),
    expired: selfSigned(name, [2020, 2021]),
    'wrong-name': selfSigned('somebody-else.example'),
  }
  const contexts = new Map<Which, SecureContext>()
  const contextOf = (which: Which): SecureContext => {
    const { key, certificate: cert } = certificates[which]
    const context = contexts.get(which) ?? createSecureContext({ key, cert })
    contexts.set(which, context)
    return context
  }
  const web = createHttpServer(options.handle)
  const sockets = new Set<Socket>()

  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy()) // the other side broke off
  }
  /** What a connection meets before anybody reads HTTP. */
  const meet = (socket: Socket): void => {
    const now = behaviour()
    if (now.kind === 'hang') {
      socket.resume()
    } else if (now.kind === 'garbage') {
      socket.once('data', () => socket.end(now.text))
    } else if (now.kind === 'reset' && now.when === 'before-headers') {
      socket.once('data', () => breakOff(socket))
    } else web.emit('connection', socket)
  }
  const encrypted = (socket: Socket): void => {
    const now = behaviour()
    if (now.kind === 'no-tls') {
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
      return
    }
    const which = now.kind === 'certificate' ? now.which : 'good'
    const secure = new TLSSocket(socket, { isServer: true, secureContext: contextOf(which) })
    keep(secure)
    secure.once('secure', () => meet(secure))
  }
  const serve = (take: (socket: Socket) => void): Server =>
    createServer((socket) => {
      options.onConnection()
      keep(socket)
      take(socket)
    })

  const plain = serve(meet)
  const secure = serve(encrypted)
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    const servers = [plain, secure].filter((server) => server.listening)
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  }
  try {
    const httpPort = await listen(plain, host, options.port, options.lastPorts.http)
    const httpsPort = await listen(secure, host, 0, options.lastPorts.https)
    const { good, expired, 'wrong-name': other } = certificates
    const trusted = [good, expired, other].map(({ certificate }) => certificate).join('')
    return { httpPort, httpsPort, trusted, close }
  } catch (error) {
    await close()
    throw error
  }
}
