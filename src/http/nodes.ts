import { createRoute } from '@hono/zod-openapi'
import { NewNode, NodeChange, NodeDetails, NodeSummary, Probed } from '../api/node-schemas.ts'
import type { IncidentDesk } from '../control/incidents.ts'
import type { NodeHistory } from '../control/node-history.ts'
import type { NodeDesk, NodeWithDeep } from '../control/nodes.ts'
import type { Session } from '../rotation/session.ts'
import { toHeard, toIncident, toNode, toProbed } from './node-views.ts'
import { answers, answersPage, body, NameParam, routes } from './routes.ts'

export interface NodePorts {
  readonly nodes: NodeDesk
  readonly incidents: IncidentDesk
  readonly history: NodeHistory
  /** A session by its id. */
  readonly nodeSession: (id: string) => Promise<Session | undefined>
  readonly now: () => Date
}

const list = createRoute({
  method: 'get',
  path: '/v1/nodes',
  responses: answersPage('All nodes, by name', NodeSummary),
})

const add = createRoute({
  method: 'post',
  path: '/v1/nodes',
  description: 'Nodes of serving policies come and go by themselves. A name can be taken once.',
  request: { body: body(NewNode) },
  responses: answers('The node; it is probed at once', NodeSummary),
})

const show = createRoute({
  method: 'get',
  path: '/v1/nodes/{name}',
  request: { params: NameParam },
  responses: answers('A node with its uptime, newest probes and newest incidents', NodeDetails),
})

const change = createRoute({
  method: 'patch',
  path: '/v1/nodes/{name}',
  request: { params: NameParam, body: body(NodeChange) },
  responses: answers('The node as it is then', NodeSummary),
})

const probe = createRoute({
  method: 'post',
  path: '/v1/nodes/{name}/probe',
  description: 'One probe, now. It stands in no record, and opens no incident.',
  request: { params: NameParam },
  responses: answers('What was seen, and what it means', Probed),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/nodes/{name}',
  request: { params: NameParam },
  responses: answers('What is probed no longer; its record stays', NodeSummary),
})

/** Nodes: what is probed, and what was seen. */
export const nodeRoutes = ({ nodes, incidents, history, nodeSession, now }: NodePorts) => {
  const shown = async (known: NodeWithDeep) => toNode(known, await nodes.namesOf([known.node]))
  return routes()
    .openapi(list, async (c) => {
      const all = await nodes.list()
      const names = new Map(all.map(({ node: { id, name } }) => [id, name]))
      return c.json({ items: all.map((known) => toNode(known, names)), next: null }, 200)
    })
    .openapi(add, async (c) => c.json(await shown(await nodes.add(c.req.valid('json'))), 200))
    .openapi(show, async (c) => {
      const known = await nodes.withDeep(await nodes.must(c.req.valid('param').name))
      const { node } = known
      const summary = await shown(known)
      const [{ items }, told, session] = await Promise.all([
        incidents.list({ isOpen: false, node: node.id }, 10, undefined),
        history.of(node),
        node.sessionId === null ? undefined : nodeSession(node.sessionId),
      ])
      const answer = {
        ...summary,
        ...told,
        heard: session ? toHeard(session) : null,
        deep: summary.deep && { ...summary.deep, ...(await history.tokens(node)) },
        incidents: items.map((one) => toIncident(one, now())),
      }
      return c.json(answer, 200)
    })
    .openapi(change, async (c) =>
      c.json(await shown(await nodes.change(c.req.valid('param').name, c.req.valid('json'))), 200),
    )
    .openapi(probe, async (c) =>
      c.json(toProbed(await nodes.probe(c.req.valid('param').name)), 200),
    )
    .openapi(remove, async (c) =>
      c.json(await shown(await nodes.remove(c.req.valid('param').name)), 200),
    )
}
