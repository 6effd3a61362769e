import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the fake does, start by start; the last one stays. */
export type Behaviour =
  /** Leads to the service, its address told after so long. */
  | { readonly kind: 'proxies'; readonly afterMs?: number }
  /** Tells an address at which nobody answers. */
  | { readonly kind: 'leads nowhere' }
  /** Says much, and no address of a tunnel. */
  | { readonly kind: 'never tells' }
  | { readonly kind: 'dies' }

/**
 * A program `cloudflared` in a folder that passes for the real one: it takes its arguments, writes to the same stream in the
 * same form, and carries requests. Every start is noted in `starts` beside it, with its arguments and environment.
 */
export function fakeCloudflared(folder: string, ...behaviours: readonly Behaviour[]): string {
  const path = join(folder, 'cloudflared')
  const starts = join(folder, 'starts')
  writeFileSync(starts, '')
  writeFileSync(
    path,
    `#!${process.execPath}
const { appendFileSync, readFileSync } = process.getBuiltinModule('node:fs')
const http = process.getBuiltinModule('node:http')
const starts = ${JSON.stringify(starts)}
const behaviours = ${JSON.stringify(behaviours)}
const n = readFileSync(starts, 'utf8').split('\\n').length - 1
appendFileSync(starts, JSON.stringify({ pid: process.pid, args: process.argv.slice(2), env: process.env }) + '\\n')
const { kind, afterMs = 0 } = behaviours[Math.min(n, behaviours.length - 1)]
const say = (text) => process.stderr.write('2026-03-10T12:00:00Z INF ' + text + '\\n')
const target = new URL(process.argv[process.argv.indexOf('--url') + 1])
const box = (address) => {
  say('+-------------------------------------------+')
  say('|  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |')
  say('|  ' + address + '   |')
  say('+-------------------------------------------+')
}
say('Thank you for trying Cloudflare Tunnel (https://www.cloudflare.com/website-terms/).')
say('Requesting new quick Tunnel on trycloudflare.com...')
if (kind === 'dies') {
  process.stderr.write('failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": no route to host\\n')
  process.exitCode = 1
} else if (kind === 'never tells') {
  setInterval(() => say('Retrying https://api.trycloudflare.com/tunnel'), 100)
} else if (kind === 'leads nowhere') {
  box('http://127.0.0.1:1')
  setInterval(() => undefined, 1000)
} else {
  const proxy = http.createServer((request, response) => {
    const { method, url, headers } = request
    const on = http.request({ host: target.hostname, port: target.port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    on.on('error', () => response.writeHead(502).end('error code: 502'))
    request.pipe(on)
  })
  proxy.listen(0, '127.0.0.1', () => setTimeout(() => box('http://127.0.0.1:' + proxy.address().port), afterMs))
}
`,
  )
  chmodSync(path, 0o755)
  return folder
}
