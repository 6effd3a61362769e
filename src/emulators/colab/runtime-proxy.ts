import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { sameSecret } from '../../lib/random.ts'
import { ServiceError } from '../service-error.ts'
import type { Runtime } from './state.ts'

const TOKEN_PARAMETER = 'colab-runtime-proxy-token'
const TOKEN_HEADER = 'x-colab-runtime-proxy-token'

/** The path below which a runtime answers, without a slash at the end. */
export const runtimePath = (endpoint: string): string => `/_runtime/${endpoint}`

/** The runtime and the rest of the target that a request means, or null when it means something else. */
export function runtimeTarget(target: string): { endpoint: string; path: string } | null {
  const [, endpoint, path] = /^\/_runtime\/([^/?]+)(\/.*)$/.exec(target) ?? []
  return endpoint === undefined || path === undefined ? null : { endpoint, path }
}

/** Passes a request on to the runtime's Jupyter server. Throws 401 without the runtime's token, 404 when it is gone. */
export function passOn(
  runtime: Runtime | undefined,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const way = wayTo(runtime, path, request)
  const options = { ...way, host: '127.0.0.1', method: request.method, headers: way.headers }
  const onward = ask(options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
    answer.once('error', () => response.destroy())
  })
  onward.once('error', () => {
    if (response.headersSent) response.destroy()
    else response.writeHead(502).end('The runtime does not answer')
  })
  response.once('close', () => onward.destroy())
  request.pipe(onward)
}

/** Joins a websocket with the runtime's Jupyter server. */
export function joinSocket(
  runtime: Runtime | undefined,
  path: string,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  let way: Way
  try {
    way = wayTo(runtime, path, request)
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    socket.end(`HTTP/1.1 ${error.status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    return
  }
  const onward = connect(way.port, '127.0.0.1', () => {
    const lines = Object.entries(way.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    onward.write(`GET ${way.path} HTTP/1.1\r\n${lines.join('')}\r\n`)
    onward.write(head)
    socket.pipe(onward).pipe(socket)
  })
  const leave = (): void => {
    onward.destroy()
    socket.destroy()
  }
  for (const side of [onward, socket]) side.once('error', leave).once('close', leave)
}

interface Way {
  readonly port: number
  readonly path: string
  readonly headers: Record<string, string>
}

/** Ours to replace: what let the client in, and what would tell Jupyter that it comes from another place. */
const REPLACED = new Set(['authorization', 'cookie', 'host', 'origin', TOKEN_HEADER])

function wayTo(runtime: Runtime | undefined, path: string, request: IncomingMessage): Way {
  if (!runtime) throw new ServiceError(404, 'This runtime does not exist any more')
  const url = new URL(path, 'http://localhost')
  const header = request.headers[TOKEN_HEADER]
  const [, bearer] = /^(?:bearer|token) +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  const shown = [url.searchParams.get(TOKEN_PARAMETER), header, bearer]
  const isLetIn = shown.some(
    (token) => typeof token === 'string' && sameSecret(token, runtime.proxyToken),
  )
  if (!isLetIn) throw new ServiceError(401, 'The runtime proxy token is missing or wrong')
  for (const name of [TOKEN_PARAMETER, 'authuser', 'token']) url.searchParams.delete(name)
  const kept = Object.entries(request.headers)
    .filter(([name]) => !REPLACED.has(name))
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')])
  return {
    port: runtime.jupyterPort,
    path: `${url.pathname}${url.search}`,
    headers: {
      ...Object.fromEntries(kept),
      host: `127.0.0.1:${runtime.jupyterPort}`,
      authorization: `token ${runtime.jupyterToken}`,
    },
  }
}
