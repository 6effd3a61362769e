import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import {
  Adapter,
  AdapterCard,
  AdapterDetails,
  AdapterLine,
  Decision,
  LineChange,
  Rollback,
  RolledBack,
} from '../api/adapter-schemas.ts'
import { versionOf } from '../artifacts/adapter.ts'
import type { AdapterDesk, ListedAdapter } from '../control/adapters.ts'
import type { Publishing } from '../control/publishing.ts'
import { refuseForeignFolder, toPublication, whoOf } from './publications.ts'
import { answers, answersPage, body, PageQuery, routes } from './routes.ts'

export interface AdapterPorts {
  readonly adapterDesk: AdapterDesk
  readonly publishing: Publishing
}

const VersionParam = z.object({ version: z.string().min(1).max(80) })
const LineParam = z.object({ line: z.string().min(1).max(80) })

const list = createRoute({
  method: 'get',
  path: '/v1/adapters',
  request: { query: PageQuery.extend({ line: z.string().max(80).optional() }) },
  responses: answersPage('What runs have left, newest first', Adapter),
})

const show = createRoute({
  method: 'get',
  path: '/v1/adapters/{version}',
  request: { params: VersionParam },
  responses: answers('An adapter, and where it is published', AdapterDetails),
})

const card = createRoute({
  method: 'get',
  path: '/v1/adapters/{version}/card',
  request: { params: VersionParam },
  responses: answers('Its card, as it is published', AdapterCard),
})

const promote = createRoute({
  method: 'post',
  path: '/v1/adapters/{version}/promotion',
  description: 'Its line serves it from now on. Repeated it changes nothing.',
  request: { params: VersionParam, body: body(Decision) },
  responses: answers('The adapter as it is then', Adapter),
})

const reject = createRoute({
  method: 'post',
  path: '/v1/adapters/{version}/rejection',
  request: { params: VersionParam, body: body(Decision) },
  responses: answers('The adapter as it is then', Adapter),
})

const line = createRoute({
  method: 'get',
  path: '/v1/adapter-lines/{line}',
  request: { params: LineParam },
  responses: answers('How a line is decided, and what it has served', AdapterLine),
})

const changeLine = createRoute({
  method: 'patch',
  path: '/v1/adapter-lines/{line}',
  request: { params: LineParam, body: body(LineChange) },
  responses: answers('The line as it is then', AdapterLine),
})

const rollBack = createRoute({
  method: 'post',
  path: '/v1/adapter-lines/{line}/rollbacks',
  description: 'The line serves again what it served before; what it leaves is promoted no longer.',
  request: { params: LineParam, body: body(Rollback) },
  responses: answers('From where to where', RolledBack),
})

/** Adapters, and which of them are served. */
export const adapterRoutes = ({ adapterDesk: desk, publishing }: AdapterPorts) => {
  const one = async (version: string): Promise<Adapter> => {
    const adapter = await desk.must(version)
    const heads = await desk.heads()
    return toWire({ adapter, isServed: heads.some(({ number }) => number === adapter.number) })
  }
  const whole = async (name: string): Promise<AdapterLine> => {
    const head = (await desk.heads()).find((adapter) => adapter.line === name)
    const moves = await desk.moves(name)
    return {
      line: name,
      policy: await desk.policy(name),
      publishTo: await publishing.publishTo(name),
      served: head ? versionOf(head) : null,
      moves: moves.map(({ version, kind, at, by }) => ({
        version,
        kind,
        at: at.toISOString(),
        by,
      })),
    }
  }
  return routes()
    .openapi(list, async (c) => {
      const { limit, cursor, line: of } = c.req.valid('query')
      const page = await desk.list(of ?? null, cursor === undefined ? null : Number(cursor), limit)
      const next = page.next === null ? null : String(page.next)
      return c.json({ items: page.items.map(toWire), next }, 200)
    })
    .openapi(show, async (c) => {
      const { version } = c.req.valid('param')
      const publications = await publishing.of((await desk.must(version)).number)
      const shown = { ...(await one(version)), publications: publications.map(toPublication) }
      return c.json(shown, 200)
    })
    .openapi(card, async (c) => {
      const { version } = c.req.valid('param')
      return c.json({ version, card: await publishing.card(await desk.must(version)) }, 200)
    })
    .openapi(promote, async (c) => {
      const { by, why } = c.req.valid('json')
      const { version } = c.req.valid('param')
      await desk.promote(version, by, why)
      return c.json(await one(version), 200)
    })
    .openapi(reject, async (c) => {
      const { by, why } = c.req.valid('json')
      const { version } = c.req.valid('param')
      await desk.reject(version, by, why)
      return c.json(await one(version), 200)
    })
    .openapi(line, async (c) => c.json(await whole(c.req.valid('param').line), 200))
    .openapi(changeLine, async (c) => {
      const name = c.req.valid('param').line
      const { policy, publishTo } = c.req.valid('json')
      if (publishTo !== undefined) {
        const target = publishTo === 'none' ? null : publishTo
        refuseForeignFolder(target, whoOf(c))
        await publishing.setPublishTo(name, target)
      }
      if (policy !== undefined) await desk.setPolicy(name, policy)
      return c.json(await whole(name), 200)
    })
    .openapi(rollBack, async (c) => {
      const { by, why, to } = c.req.valid('json')
      const done = await desk.rollBack(c.req.valid('param').line, to, by, why)
      return c.json({ from: done.from, to: versionOf(done.to), line: done.to.line }, 200)
    })
}

const toWire = ({ adapter, isServed }: ListedAdapter): Adapter => ({
  version: versionOf(adapter),
  line: adapter.line,
  run: adapter.runName,
  step: adapter.step,
  base: adapter.base,
  manifestSha256: adapter.manifestSha256,
  bytes: adapter.bytes,
  state: adapter.state,
  served: isServed,
  loss: adapter.judged?.loss ?? null,
  heldOutRows: adapter.judged?.rows ?? null,
  baseLoss: adapter.judged?.baseLoss ?? null,
  score: adapter.score,
  why: adapter.why,
  createdAt: adapter.createdAt.toISOString(),
  decidedAt: adapter.decidedAt?.toISOString() ?? null,
  decidedBy: adapter.decidedBy,
})
