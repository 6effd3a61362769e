import { createRoute } from '@hono/zod-openapi'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Publication as WirePublication } from '../api/adapter-schemas.ts'
import { NewPublication, PublicationStep } from '../api/adapter-schemas.ts'
import type { Adapter } from '../artifacts/adapter.ts'
import { type Publication, type SignedUpload, targetOf } from '../artifacts/publication.ts'
import type { AdapterDesk } from '../control/adapters.ts'
import type { Publishing, Stepped } from '../control/publishing.ts'
import type { ServedVersions } from '../control/served-version.ts'
import type { SessionDesk } from '../control/session-desk.ts'
import { AppError } from '../lib/errors.ts'
import { bearer } from './auth.ts'
import { bodyCap } from './body-cap.ts'
import { answers, body, routes } from './routes.ts'

export interface PublicationPorts {
  readonly adapterDesk: AdapterDesk
  readonly publishing: Publishing
  readonly servedVersions: ServedVersions
  readonly desk: SessionDesk
  /** The folder on this machine in which the files of an adapter stand; null where they stand elsewhere. */
  readonly artifactPathOf: (adapter: Adapter) => Promise<string | null>
}

const publish = createRoute({
  method: 'post',
  path: '/v1/adapters/{version}/publications',
  description:
    'Publishes an adapter as far as it goes without its bytes. With `carry` the answer says what the caller is to send where; called again, it goes on from there. Repeated it changes nothing.',
  request: {
    params: z.object({ version: z.string().min(1).max(80) }),
    body: body(NewPublication),
  },
  responses: answers('How far it has come', PublicationStep),
})

/** Adapters on their way to other places. */
export const publicationRoutes = (ports: PublicationPorts) =>
  routes().openapi(publish, async (c) => {
    const adapter = await ports.adapterDesk.must(c.req.valid('param').version)
    const { to, carry } = c.req.valid('json')
    if (to !== undefined) refuseForeignFolder(to, whoOf(c))
    const { publication, uploads } = await ports.publishing.publish(adapter, to, carry)
    const isCarried = carry && uploads.length > 0
    const answer = {
      publication: toPublication(publication),
      uploads: carry ? uploads.map(toUpload) : [],
      sources: isCarried ? await sourcesOf(ports, adapter) : [],
    }
    return c.json(answer, 200)
  })

/** What a session carries of the adapter that it has left; its own token opens it. */
export function sessionPublications({ desk, publishing }: PublicationPorts): Hono {
  const app = new Hono()
  app.use('/v1/session/publications', bodyCap())
  app.post('/v1/session/publications', async (c) => {
    const { session, run } = await desk.live(bearer(c.req.header('authorization')))
    const steps = await publishing.forSession(run.id, session.generation)
    return c.json({
      uploads: steps.flatMap(({ uploads }) => uploads.map(toUpload)),
      ...sums(steps),
    })
  })
  return app
}

const sums = (steps: readonly Stepped[]) => ({
  published: steps.flatMap(({ publication: { state, target } }) =>
    state === 'done' ? [target] : [],
  ),
})

/** Whose token the call came with; see `requireScope`. */
export const whoOf = (c: { get(key: never): unknown }): unknown => c.get('who' as never)

/** Only the admin may have the service write into folders of its machine. @throws AppError `not-allowed` (`folder_is_admins`) */
export function refuseForeignFolder(target: string | null, who: unknown): void {
  if (target === null || targetOf(target).kind !== 'folder' || who === 'admin') return
  throw new AppError('not-allowed', 'only the admin may publish into folders of this machine', {
    code: 'folder_is_admins',
    next: 'Use the admin token, or another target: hub:OWNER/NAME or drive',
  })
}

async function sourcesOf(ports: PublicationPorts, adapter: Adapter) {
  const folder = await ports.artifactPathOf(adapter)
  return (await ports.servedVersions.files(adapter)).map(({ name, url, headers }) => ({
    name,
    path: folder === null ? null : `${folder}/${name}`,
    url,
    headers: { ...headers },
  }))
}

const toUpload = ({ parts, headers, ...upload }: SignedUpload) => ({
  ...upload,
  headers: { ...headers },
  parts: parts && { partBytes: parts.partBytes, hrefs: [...parts.hrefs] },
})

export const toPublication = (publication: Publication): WirePublication => ({
  id: publication.id,
  target: publication.target,
  state: publication.state,
  place: publication.place,
  code: publication.code,
  why: publication.why,
  next: publication.next,
  askedAt: publication.askedAt.toISOString(),
  doneAt: publication.doneAt?.toISOString() ?? null,
})
