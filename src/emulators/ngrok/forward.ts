import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { systemCode } from '../../lib/errors.ts'
import type { Travel } from '../answer.ts'
import { deliver } from '../transfer.ts'

/** What came of a request that was passed on; what was told the caller is told only by `passed`. */
export type Forwarded = 'passed' | 'server-refused' | 'broken-upstream'

/** Of one connection alone (RFC 9110, 7.6.1). */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'upgrade']

/** Passes a request on to a server and its answer back, at the speed of `travel`. */
export function forward(
  upstream: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  travel: Travel,
): Promise<Forwarded> {
  return new Promise((settle) => {
    const { hostname, port } = new URL(upstream)
    const onward = http.request({
      ...{ hostname: hostname.replace(/^\[|\]$/g, ''), port, path, agent: false },
      method: request.method ?? 'GET',
      headers: { ...endToEnd(request.headers), 'x-forwarded-proto': 'https' },
    })
    response.on('close', () => onward.destroy())
    onward.on('error', (error) => {
      if (response.headersSent) response.destroy()
      settle(systemCode(error) === 'ECONNREFUSED' ? 'server-refused' : 'broken-upstream')
    })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
      const bytes = Number(answer.headers['content-length'] ?? 0)
      deliver(response, answer, travel(bytes)).then(
        () => settle('passed'),
        () => {
          response.destroy() // the server broke off in the middle of its answer
          settle('passed')
        },
      )
    })
    request.pipe(onward)
  })
}

const endToEnd = (headers: http.IncomingHttpHeaders): http.OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)))
