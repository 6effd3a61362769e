import { OpenAPIHono } from '@hono/zod-openapi'
import { secureHeaders } from 'hono/secure-headers'
import type { z } from 'zod'
import type { Health } from '../api/schemas.ts'
import type { OneTimeUrls } from '../control/one-time-urls.ts'
import type { SessionDesk } from '../control/session-desk.ts'
import type { UploadDesk } from '../control/upload-desk.ts'
import { AppError } from '../lib/errors.ts'
import { type AbsencePorts, absenceRoutes } from './absences.ts'
import { type AccountServingPorts, accountServingRoutes } from './account-serving.ts'
import { type AccountPorts, accountRoutes } from './accounts.ts'
import { type AdapterPorts, adapterRoutes } from './adapters.ts'
import { type AlertPorts, alertRoutes } from './alerts.ts'
import { type AuditPorts, audited, auditRoutes } from './audit.ts'
import { requireScope } from './auth.ts'
import { type BackupPorts, backupRoutes } from './backups.ts'
import { bodyCap } from './body-cap.ts'
import { type DatasetPorts, datasetRoutes } from './datasets.ts'
import { type HubLoginPorts, hubLoginRoutes } from './hub-login.ts'
import { type IncidentPorts, incidentRoutes } from './incidents.ts'
import { type LoginPorts, loginRoutes } from './logins.ts'
import { type NodePorts, nodeRoutes } from './nodes.ts'
import { type PlanPorts, planRoutes } from './plan.ts'
import { problem } from './problem.ts'
import { publicStatus } from './public-status.ts'
import { type PublicationPorts, publicationRoutes, sessionPublications } from './publications.ts'
import { type RelayPorts, relayCallers, relayProtocol } from './relay.ts'
import { type RunChangePorts, runChangeRoutes } from './run-changes.ts'
import { type RunPorts, runRoutes } from './runs.ts'
import { type ServedAdapterPorts, servedAdapterRoutes } from './served-adapter.ts'
import { type ServingPorts, servingRoutes } from './serving.ts'
import { sessionProtocol } from './session-protocol.ts'
import { type StandingRunPorts, standingRunRoutes } from './standing-runs.ts'
import { type StorePorts, storeRoutes } from './store.ts'
import { type TokenPorts, tokenRoutes } from './tokens.ts'
import { transferRoutes } from './transfers.ts'

export interface HttpPorts
  extends RunPorts,
    DatasetPorts,
    AccountPorts,
    AccountServingPorts,
    LoginPorts,
    HubLoginPorts,
    StorePorts,
    AbsencePorts,
    AdapterPorts,
    PublicationPorts,
    ServedAdapterPorts,
    TokenPorts,
    AuditPorts,
    BackupPorts,
    AlertPorts,
    PlanPorts,
    RunChangePorts,
    StandingRunPorts,
    NodePorts,
    IncidentPorts,
    ServingPorts,
    Pick<RelayPorts, 'relay' | 'servedUnder'> {
  readonly adminToken: string
  readonly version: string
  /** Outside services that are local stand-ins. */
  readonly emulated: readonly string[]
  readonly desk: SessionDesk
  readonly uploads: UploadDesk
  readonly urls: OneTimeUrls
  /** Nodes that are up by their newest looks. */
  readonly nodesUp: () => Promise<number>
  readonly ready: () => boolean
  readonly unexpected: (error: unknown) => void
}

/** The whole HTTP face: `/health`, `/openapi.json`, `/v1/…` behind tokens with their scopes, and the session protocol. */
export function httpApp(ports: HttpPorts): OpenAPIHono {
  const app = new OpenAPIHono()
  app.onError((error, c) => problem(c, error, ports.unexpected))
  app.notFound((c) => {
    const missing = new AppError('not-found', `there is nothing at ${c.req.path}`, {
      code: 'path_unknown',
      next: 'All paths stand in /openapi.json',
    })
    return problem(c, missing, ports.unexpected)
  })
  app.use(secureHeaders())
  app.get('/health', async (c) =>
    c.json({
      status: 'ok',
      version: ports.version,
      features: ['rotation', 'health'],
      nodesUp: await ports.nodesUp(),
      emulated: [...ports.emulated],
    } satisfies z.infer<typeof Health>),
  )
  app.get('/ready', (c) => c.json({ ready: ports.ready() }, ports.ready() ? 200 : 503))
  // Capabilities and session tokens of their own: neither takes the admin token.
  app.route('/', transferRoutes(ports.urls))
  app.route('/', sessionProtocol(ports.desk, ports.uploads))
  app.route('/', sessionPublications(ports))
  app.route('/', publicStatus(ports))
  app.route('/', relayProtocol(ports))
  // The key to a policy's nodes opens them, and the admin token does not.
  app.route('/', relayCallers(ports))
  app.use('/v1/*', audited(ports))
  app.use('/v1/*', requireScope(ports.adminToken, ports.tokens.tokenOf))
  // All but data sets, which are streamed.
  for (const path of [
    '/v1/runs/*',
    '/v1/standing-runs/*',
    '/v1/serving/*',
    '/v1/accounts/*',
    '/v1/absences/*',
    '/v1/adapters/*',
    '/v1/adapter-lines/*',
    '/v1/alerts/*',
    '/v1/alert-channels/*',
    '/v1/alert-deliveries/*',
    '/v1/logins/*',
    '/v1/nodes/*',
    '/v1/incidents/*',
    '/v1/silences/*',
    '/v1/tokens/*',
    '/v1/backups/*',
  ])
    app.use(path, bodyCap())
  app.route('/', runRoutes(ports))
  app.route('/', runChangeRoutes(ports))
  app.route('/', standingRunRoutes(ports))
  app.route('/', planRoutes(ports))
  app.route('/', servingRoutes(ports))
  app.route('/', datasetRoutes(ports))
  app.route('/', accountRoutes(ports))
  app.route('/', accountServingRoutes(ports))
  app.route('/', loginRoutes(ports))
  app.route('/', hubLoginRoutes(ports))
  app.route('/', storeRoutes(ports))
  app.route('/', absenceRoutes(ports))
  app.route('/', nodeRoutes(ports))
  app.route('/', incidentRoutes(ports))
  app.route('/', alertRoutes(ports))
  app.route('/', adapterRoutes(ports))
  app.route('/', publicationRoutes(ports))
  app.route('/', servedAdapterRoutes(ports))
  app.route('/', tokenRoutes(ports))
  app.route('/', auditRoutes(ports))
  app.route('/', backupRoutes(ports))
  app.get('/openapi.json', (c) => c.json(app.getOpenAPI31Document(about(ports.version))))
  return app
}

const about = (version: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Rodízio',
    version,
    description: 'Training rotations on free GPUs. Errors are RFC 9457 problem details.',
  },
})

/** The description that `/openapi.json` gives, of the API's version rather than the program's. */
export const describeApi = (ports: HttpPorts) => httpApp(ports).getOpenAPI31Document(about('1'))
