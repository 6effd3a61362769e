import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** What a server of chat completions does with a request. */
export type Way =
  | 'well'
  | 'late'
  | 'thinks'
  | 'half-letter'
  | 'whole-json'
  | 'no-token'
  | 'says-done'
  | 'error-in-stream'
  | 'drips'
  | 'drips-tokens'
  | 'huge'
  | 'cut'
  | 'hangs'
  | 'page'
  | 'redirects'
  | number

export interface Asked {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly authorization: string | undefined
  readonly body: Record<string, unknown>
}

/** A local server that streams tokens, or does not; closed at the end of the block. */
export async function tokenServer(way: Way = 'well') {
  const asked: Asked[] = []
  const world = { way, asked, sent: 0, lateMs: 300, url: '' }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    if (request.url === '/health') {
      response.setHeader('content-type', 'application/json')
      response.end('{"status":"ok","model":"tiny"}')
      return
    }
    const { method, url: path, headers } = request
    const body = JSON.parse(Buffer.concat(parts).toString() || '{}')
    asked.push({ method, path, authorization: headers.authorization, body })
    answer(world, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  world.url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  return Object.assign(world, {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

export type TokenServer = Awaited<ReturnType<typeof tokenServer>>

const event = (choice: object) =>
  `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }] })}\n\n`
const role = event({ delta: { role: 'assistant', content: '' }, finish_reason: null })
const done = 'data: [DONE]\n\n'

function answer(
  world: { way: Way; sent: number; lateMs: number; url: string },
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { way } = world
  if (typeof way === 'number') {
    const told = `the key ${request.headers.authorization} is not known`
    response.writeHead(way, { 'content-type': 'application/json', 'retry-after': '77' })
    response.end(JSON.stringify({ error: { message: told } }))
    return
  }
  if (way === 'hangs') return
  if (way === 'redirects') {
    response.writeHead(307, { location: `${world.url}/other/chat/completions` }).end()
    return
  }
  const type = { 'whole-json': 'application/json', page: 'text/html' } as Record<string, string>
  response.writeHead(200, { 'content-type': type[way] ?? 'text/event-stream; charset=utf-8' })
  const beat = (text: string) => {
    const timer = setInterval(() => response.write(text), 20)
    response.on('close', () => clearInterval(timer))
  }
  const token = event({ delta: { content: 'Olá' }, finish_reason: null })
  switch (way) {
    case 'well':
      response.write(role)
      response.end(token + done)
      return
    case 'late':
      response.write(role)
      // In two parts, cut within a letter of two bytes.
      setTimeout(() => {
        const bytes = Buffer.from(token + done)
        const within = bytes.indexOf(0xc3) + 1
        response.write(bytes.subarray(0, within))
        setTimeout(() => response.end(bytes.subarray(within)), 20)
      }, world.lateMs)
      return
    case 'thinks':
      response.end(role + event({ delta: { reasoning_content: 'Hm' } }) + done)
      return
    case 'half-letter':
      response.end(role + event({ delta: {}, finish_reason: 'length' }) + done)
      return
    case 'whole-json':
      response.end(
        JSON.stringify({ choices: [{ message: { content: 'Hi' }, finish_reason: 'length' }] }),
      )
      return
    case 'no-token':
      response.end(role)
      return
    case 'says-done':
      response.write(role + event({ delta: {}, finish_reason: 'stop' }) + done)
      return // and keeps the connection
    case 'error-in-stream':
      response.write(role)
      response.write(`data: {"error":{"message":"${request.headers.authorization} broke it"}}\n\n`)
      return
    case 'drips':
      beat(': still there\n\n')
      return
    case 'drips-tokens':
      beat(token)
      return
    case 'cut':
      response.write(role, () => response.destroy())
      return
    case 'page':
      response.end('<html>data: nothing</html>')
      return
    case 'huge':
      pour(world, response)
  }
}

/** A gigabyte of a line that never ends, as fast as it is taken. */
function pour(world: { sent: number }, response: ServerResponse): void {
  const part = Buffer.alloc(64 * 1024, 'data: x')
  const more = () => {
    while (world.sent < 1024 ** 3 && !response.destroyed) {
      world.sent += part.length
      if (!response.write(part)) return void response.once('drain', more)
    }
    response.end()
  }
  more()
}
