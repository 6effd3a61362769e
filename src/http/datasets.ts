import { createRoute } from '@hono/zod-openapi'
import { Dataset, DatasetRemoval, ImportQuery, ImportResult, RemovalQuery } from '../api/schemas.ts'
import type { NamedDataset, Reads } from '../control/reads.ts'
import type { Removals } from '../control/removals.ts'
import type { ImportResult as Imported } from '../datasets/import.ts'
import { AppError } from '../lib/errors.ts'
import { answers, answersPage, NameParam, routes } from './routes.ts'
import { toDataset } from './views.ts'

export interface DatasetPorts {
  readonly reads: Reads
  readonly removals: Removals
  readonly importData: (
    body: AsyncIterable<Uint8Array>,
    name: string,
    strict: boolean,
  ) => Promise<{ imported: Imported; dataset: NamedDataset }>
}

const list = createRoute({
  method: 'get',
  path: '/v1/datasets',
  responses: answersPage('All data sets, newest import first', Dataset),
})

const show = createRoute({
  method: 'get',
  path: '/v1/datasets/{name}',
  request: { params: NameParam },
  responses: answers('A data set by version, or the newest version of a name', Dataset),
})

const add = createRoute({
  method: 'post',
  path: '/v1/datasets',
  description: 'The body is chat JSONL, streamed; it may be far larger than memory.',
  request: { query: ImportQuery },
  responses: answers('What was imported and what was set aside', ImportResult),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/datasets/{name}',
  description:
    'By name, or by version under all its names. The files go where no other name keeps them.',
  request: { params: NameParam, query: RemovalQuery },
  responses: answers('What goes', DatasetRemoval),
})

export const datasetRoutes = ({ reads, removals, importData }: DatasetPorts) =>
  routes()
    .openapi(list, async (c) =>
      c.json({ items: (await reads.datasets()).map(toDataset), next: null }, 200),
    )
    .openapi(show, async (c) => {
      const { name } = c.req.valid('param')
      const dataset = await reads.dataset(name)
      if (dataset) return c.json(toDataset(dataset), 200)
      throw new AppError('not-found', `there is no data set ${name}`, {
        code: 'dataset_unknown',
        next: 'rodizio data list shows all',
      })
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      const { contents, state, why } =
        c.req.valid('query').dryRun === 'true'
          ? { contents: await removals.dataContents(name), state: 'kept' as const, why: null }
          : await removals.removeData(name)
      const versions = contents.versions.map(({ keptAs, ...v }) => ({ ...v, keptAs: [...keptAs] }))
      return c.json({ names: [...contents.names], versions, state, why }, 200)
    })
    .openapi(add, async (c) => {
      const { name, strict } = c.req.valid('query')
      const { body } = c.req.raw
      if (!body) throw new AppError('invalid', 'the request has no body', { code: 'dataset_empty' })
      const { imported, dataset } = await importData(body, name, strict === 'true')
      const rejects = imported.rejects.map(({ line, reason }) => ({ line, reason }))
      const { rejectsPath } = imported
      return c.json({ dataset: toDataset(dataset), rejects, rejectsPath }, 200)
    })
