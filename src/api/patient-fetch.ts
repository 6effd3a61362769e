import http from 'node:http'
import https from 'node:https'

/**
 * A request whose answer may take hours to begin. `fetch` gives up after five minutes whatever it is told (undici's `headersTimeout`,
 * 300 s, read 2026-11).
 */
export function patientFetch(url: string, init: RequestInit): Promise<Response> {
  const { method = 'GET', body, signal } = init
  const headers = Object.fromEntries(new Headers(init.headers))
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http).request(
      url,
      { method, headers, ...(signal ? { signal } : {}) },
      (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('error', reject)
        answer.on('end', () => {
          resolve(new Response(Buffer.concat(parts), { status: answer.statusCode ?? 0 }))
        })
      },
    )
    request.on('error', reject)
    request.end(typeof body === 'string' ? body : undefined) // the client sends JSON alone
  })
}
