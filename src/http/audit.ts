import { createRoute } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { AuditVerdict, AuditLine as Line } from '../api/audit-schemas.ts'
import type { AuditLog } from '../control/audit.ts'
import { answers, answersPage, PageQuery, routes } from './routes.ts'

export interface AuditPorts {
  readonly audit: AuditLog
}

const list = createRoute({
  method: 'get',
  path: '/v1/audit',
  request: { query: PageQuery },
  responses: answersPage('Who has changed what, newest first', Line),
})

const verify = createRoute({
  method: 'get',
  path: '/v1/audit/verdict',
  description: 'Goes through all of it: every line has the hash of the one before in its own.',
  responses: answers('Whether it is whole', AuditVerdict),
})

/** The audit log. */
export const auditRoutes = ({ audit }: AuditPorts) =>
  routes()
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const found = await audit.newest(limit + 1, cursor === undefined ? null : Number(cursor))
      const items = found.slice(0, limit).map((line) => ({ ...line, at: line.at.toISOString() }))
      const next = found.length > limit ? String(items.at(-1)?.number) : null
      return c.json({ items, next }, 200)
    })
    .openapi(verify, async (c) => c.json(await audit.verify(), 200))

const longestPath = 200

/** Writes a line for every call that would change something, refused ones too; by whom it was made is what `requireScope` has found. */
export const audited =
  ({ audit }: AuditPorts): MiddlewareHandler =>
  async (c, next) => {
    await next()
    const { method } = c.req
    if (method === 'GET' || method === 'HEAD') return
    const who: unknown = c.get('who')
    // Who has no token has changed nothing, and would fill the log.
    if (typeof who !== 'string') return
    const what = `${method} ${c.req.path.slice(0, longestPath)}`
    await audit.add({ who, what, outcome: c.res.status })
  }
