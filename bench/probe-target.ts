/** A node as the bench of probes looks at it: a server that answers /health and nothing else; prints its port. */
import { createServer } from 'node:http'

const health = JSON.stringify({
  status: 'ok',
  model: 'tiny',
  adapter: { version: 'tiny-100', sha256: 'a'.repeat(64), run: 'run_bench' },
  free_vram_bytes: 7_000_000_000,
})
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(health)
})
server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' && address ? address.port : 0}\n`)
})
