import { createRoute } from '@hono/zod-openapi'
import { LeftOvers } from '../api/schemas.ts'
import type { LeftOver, StoreCleaning } from '../control/store-cleaning.ts'
import { answers, routes } from './routes.ts'

export interface StorePorts {
  readonly cleaning: StoreCleaning
}

const look = createRoute({
  method: 'get',
  path: '/v1/store/leftovers',
  responses: answers('Files of the artifact store that nobody needs, older than a day', LeftOvers),
})

const clean = createRoute({
  method: 'delete',
  path: '/v1/store/leftovers',
  responses: answers('What went; never what is in use or on its way', LeftOvers),
})

export const storeRoutes = ({ cleaning }: StorePorts) =>
  routes()
    .openapi(look, async (c) => c.json(summed(await cleaning.look(), false, null), 200))
    .openapi(clean, async (c) => {
      const { gone, why } = await cleaning.clean()
      return c.json(summed(gone, true, why), 200)
    })

const summed = (found: readonly LeftOver[], removed: boolean, why: string | null) => ({
  items: [...found],
  files: found.reduce((sum, { files }) => sum + files, 0),
  bytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
  removed,
  why,
})
