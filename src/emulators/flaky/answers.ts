import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Behaviour } from './behaviour.ts'
import { breakOff } from './break-off.ts'

export interface Told {
  readonly run: string
  /** Told of each piece of a body that was written. */
  readonly sent: (bytes: number) => void
}

const json = { 'content-type': 'application/json' }

/** Answers a request as the behaviour has it; what goes wrong below HTTP has gone wrong before. */
export function answer(
  behaviour: Behaviour,
  request: IncomingMessage,
  response: ServerResponse,
  { run, sent }: Told,
): void {
  const health = (more: object = {}) => healthOf(run, more)
  const send = (status: number, headers: Record<string, string>, body = ''): void => {
    sent(body.length)
    response.writeHead(status, headers).end(body)
  }
  switch (behaviour.kind) {
    case 'other-run':
      send(200, json, healthOf(behaviour.run))
      break
    case 'failing':
      send(503, json, health({ status: 'failing' }))
      break
    case 'status':
      send(behaviour.status, { 'content-type': 'text/plain' }, 'trouble\n')
      break
    case 'page':
      send(200, { 'content-type': 'text/html' }, '<!doctype html><title>Hello</title>\n')
      break
    case 'slow-first-byte':
      later(response, behaviour.seconds, () => send(200, json, health()))
      break
    case 'drip':
      drip(response, health(), behaviour.secondsPerByte, sent)
      break
    case 'huge':
      pour(response, behaviour.bytes, sent)
      break
    case 'redirect-for-ever':
      send(302, { location: `/again?${(request.url ?? '').length}` })
      break
    case 'redirect':
      send(307, { location: behaviour.location })
      break
    case 'reset': {
      response.writeHead(200, { ...json, 'content-length': '1000' })
      response.write('{"status":', () => breakOff(request.socket))
      break
    }
    default:
      if ((request.url ?? '').split('?')[0] === '/health') send(200, json, health())
      else send(404, json, '{"detail":"Not Found"}')
  }
}

const healthOf = (run: string, more: object = {}): string =>
  JSON.stringify({
    status: 'ok',
    model: 'tiny',
    adapter: { version: 'v1', sha256: 'a'.repeat(64), run },
    free_vram_bytes: 1_000_000_000,
    ...more,
  })

function later(response: ServerResponse, seconds: number, act: () => void): void {
  const timer = setTimeout(act, seconds * 1000)
  response.on('close', () => clearTimeout(timer))
}

function drip(
  response: ServerResponse,
  body: string,
  secondsPerByte: number,
  sent: Told['sent'],
): void {
  response.writeHead(200, { ...json, 'content-length': body.length }).flushHeaders()
  let at = 0
  const timer = setInterval(() => {
    response.write(body.charAt(at))
    sent(1)
    at += 1
    if (at === body.length) response.end()
  }, secondsPerByte * 1000)
  response.on('close', () => clearInterval(timer))
}

/** So many bytes, no more of them in memory than the other side takes. */
function pour(response: ServerResponse, bytes: number, sent: Told['sent']): void {
  const piece = Buffer.alloc(64 * 1024, 'a')
  response.writeHead(200, { ...json, 'content-length': bytes })
  let left = bytes
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      const part = piece.subarray(0, Math.min(left, piece.length))
      left -= part.length
      sent(part.length)
      if (!response.write(part)) {
        response.once('drain', more)
        return
      }
    }
    if (left === 0) response.end()
  }
  more()
}
