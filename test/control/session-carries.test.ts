import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { expect, it } from 'vitest'
import { type PublicationPorts, sessionPublications } from '../../src/http/publications.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { houseAdapter, publishWorld, writer } from './publish-world.ts'

const templates = join(import.meta.dirname, '../../templates')
const program = `
import sys
sys.path.insert(0, sys.argv[1])
from session.publishing import publish_folder
from session.wire import Wire
wire = Wire(sys.argv[2], first_wait=0.05)
wire.token = 'rzs_mine'
publish_folder(wire, sys.argv[3], print)
`

it('a notebook’s own code carries what the service has had signed, whole and in parts', async () => {
  await using world = await publishWorld({ partBytes: 500_000 })
  using place = temporaryFolder()
  await world.access.keep(writer)
  await world.publications.setPublishTo('house', 'hub:ana/house')
  const made = houseAdapter(1)
  await world.leave(made)
  mkdirSync(place.path, { recursive: true })
  for (const [name, bytes] of made.files) writeFileSync(join(place.path, name), bytes)
  const admitted = { session: { generation: 1 }, run: { id: 'run_house' } }
  const ports = { desk: { live: async () => admitted }, publishing: world.desk }
  const app = sessionPublications(ports as unknown as PublicationPorts)
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  world.emulator.admin.addFaults(
    { rpc: 'lfs-put', kind: 'status', status: 503 },
    { rpc: 'lfs-put', kind: 'status', status: 403 },
  )
  const given = ['-c', program, templates, `http://127.0.0.1:${port}`, place.path]
  const child = spawn('python3', given, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  const status = await new Promise((resolve) => child.once('close', resolve))
  await new Promise((resolve) => server.close(resolve))
  expect([status, said]).toEqual([
    0,
    expect.stringContaining('the adapter is published to hub:ana/house'),
  ])
  expect((await world.publications.of(1))[0]?.state).toBe('done')
  expect(world.requests('lfs-complete')).toHaveLength(1)
  const sent = [...world.requests('lfs-put'), ...world.requests('lfs-complete')]
  expect(sent.some(({ headers }) => 'authorization' in headers)).toBe(false)
})
