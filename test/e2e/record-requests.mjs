// Loaded into a service under test: writes down every request that reaches it, one line each.
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'

subscribe('http.server.request.start', ({ request }) => {
  appendFileSync(process.env.REQUEST_LOG, `${request.method} ${request.url}\n`)
})
