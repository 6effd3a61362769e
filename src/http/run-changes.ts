import { createRoute } from '@hono/zod-openapi'
import { RunChange, RunSummary } from '../api/schemas.ts'
import type { Reads } from '../control/reads.ts'
import type { Run } from '../rotation/run.ts'
import { answers, body, NameParam, routes } from './routes.ts'
import { toRunSummary } from './views.ts'

export interface RunChangePorts {
  readonly reads: Reads
  readonly setPriority: (name: string, priority: number) => Promise<Run>
}

const change = createRoute({
  method: 'patch',
  path: '/v1/runs/{name}',
  request: { params: NameParam, body: body(RunChange) },
  responses: answers('The run as it is then; the next look plans by it', RunSummary),
})

export const runChangeRoutes = ({ reads, setPriority }: RunChangePorts) =>
  routes().openapi(change, async (c) => {
    const run = await setPriority(c.req.valid('param').name, c.req.valid('json').priority)
    return c.json(toRunSummary(run, (await reads.sessionsOf(run.id)).length), 200)
  })
