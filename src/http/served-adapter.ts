import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { z } from 'zod'
import { Resolution } from '../api/adapter-schemas.ts'
import { versionOf } from '../artifacts/adapter.ts'
import type { ServedVersion, ServedVersions } from '../control/served-version.ts'
import { answers, routes } from './routes.ts'
import { rangeOf, streamOf } from './transfers.ts'

export interface ServedAdapterPorts {
  readonly servedVersions: ServedVersions
}

/** A proxy in between may give up a call that lasts a minute. */
const longestWaitSeconds = 50

const WaitSeconds = z.coerce.number().int().min(0).max(longestWaitSeconds)

const resolve = createRoute({
  method: 'get',
  path: '/v1/served-adapter',
  description:
    'What a box is to serve, and where its bytes are. With `after`, 204 when nothing else is served at the end of the wait.',
  request: {
    query: z.object({
      run: z.string().max(80).optional().describe('a line, or a run of it'),
      version: z.string().max(80).optional(),
      after: z.string().max(80).optional().describe('what the box has'),
      waitSeconds: WaitSeconds.default(0).openapi({ type: 'integer' }),
    }),
  },
  responses: {
    ...answers('The version', Resolution),
    204: { description: 'Nothing else is served' },
  },
})

/** What boxes pull. */
export const servedAdapterRoutes = ({ servedVersions }: ServedAdapterPorts): OpenAPIHono => {
  const app = routes().openapi(resolve, async (c) => {
    const { run, version, after, waitSeconds } = c.req.valid('query')
    const asked = { run, version, after, waitSeconds }
    const found = await servedVersions.resolve(asked, c.req.raw.signal)
    return found ? c.json(toWire(found), 200) : c.body(null, 204)
  })
  app.get('/v1/adapters/:version/files/:name', async (c) => {
    const file = await servedVersions.file(c.req.param('version'), c.req.param('name'))
    const range = rangeOf(c.req.header('range'), file.bytes)
    if (range === 'unsatisfiable') {
      return c.body(null, 416, { 'content-range': `bytes */${file.bytes}` })
    }
    const { from, to } = range ?? { from: 0, to: file.bytes }
    return c.body(streamOf(await file.read({ from, to })), range ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': String(to - from),
      'accept-ranges': 'bytes',
      etag: `"${file.sha256}"`,
      ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${file.bytes}` } : {}),
    })
  })
  return app
}

const toWire = ({ adapter, files }: ServedVersion): Resolution => ({
  version: versionOf(adapter),
  line: adapter.line,
  run: adapter.runName,
  manifestSha256: adapter.manifestSha256,
  files: files.map(({ name, bytes, sha256, url, headers }) => ({
    name,
    bytes,
    sha256,
    url,
    headers: { ...headers },
  })),
})
