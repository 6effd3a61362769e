import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'

const HOSTS = ['www.googleapis.com', 'oauth2.googleapis.com']

export interface TlsFront extends AsyncDisposable {
  /** For `HTTPS_PROXY`. */
  readonly url: string
  /** The certificate that the client must trust. */
  readonly certificate: string
}

/**
 * A proxy for clients that know no other address than Google's: what they send there goes to the emulator, under a
 * throw-away certificate. Every other host is refused. Needs `openssl`.
 */
export async function tlsFront(target: string, folder: string): Promise<TlsFront> {
  const key = join(folder, 'front.key')
  const certificate = join(folder, 'front.crt')
  const names = HOSTS.map((host) => `DNS:${host}`).join(',')
  const subject = [
    '-subj',
    '/CN=a throw-away test certificate',
    '-addext',
    `subjectAltName=${names}`,
  ]
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync(
    'openssl',
    [...make, '-days', '1', '-keyout', key, '-out', certificate, ...subject],
    { stdio: 'ignore' },
  )
  const forward = (from: IncomingMessage, to: ServerResponse): void => {
    const { method, headers, url } = from
    const onward = request(new URL(url ?? '/', target), {
      ...(method === undefined ? {} : { method }),
      headers,
    })
    onward.on('response', (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(to)
      answer.on('error', () => to.destroy())
    })
    onward.on('error', () => to.destroy())
    from.pipe(onward)
  }
  const inner = createTlsServer(
    { key: readFileSync(key), cert: readFileSync(certificate) },
    forward,
  )
  const proxy = createServer((_from, to) => void to.writeHead(403).end())
  proxy.on('connect', ({ url = '' }, socket) => {
    if (!HOSTS.some((host) => url === `${host}:443`))
      return void socket.end('HTTP/1.1 403 No\r\n\r\n')
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    inner.emit('connection', socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    certificate,
    [Symbol.asyncDispose]: async () => {
      inner.closeAllConnections()
      proxy.closeAllConnections()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
