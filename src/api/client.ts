import { z } from 'zod'
import { AppError, type ErrorKind, messageOf } from '../lib/errors.ts'
import * as adapter from './adapter-schemas.ts'
import * as alerts from './alert-schemas.ts'
import * as log from './audit-schemas.ts'
import * as safe from './backup-schemas.ts'
import * as node from './node-schemas.ts'
import { patientFetch } from './patient-fetch.ts'
import * as wire from './schemas.ts'
import * as served from './serving-schemas.ts'
import * as standing from './standing-schemas.ts'
import * as access from './token-schemas.ts'

/** How the kinds of error travel as HTTP statuses, both ways. */
export const statusOf: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  'not-allowed': 403,
  'not-found': 404,
  conflict: 409,
  unavailable: 503,
  'disk-full': 507,
  internal: 500,
}

const kindOf = (status: number): ErrorKind => {
  const known = Object.entries(statusOf).find(([, code]) => code === status)
  if (known) return known[0] as ErrorKind // the keys of statusOf are the kinds
  if (status === 422) return 'invalid'
  return status >= 500 ? 'unavailable' : 'invalid'
}

/** Work that takes a call to the store for each file may last so long. */
const patientMs = 600_000
/** `fetch` waits no longer for an answer to begin. */
const fetchMs = 300_000
/** A backup may have to be sent elsewhere. */
const backupMs = 4 * 3_600_000

export interface ClientOptions {
  readonly url: string
  readonly token: string
  /** How long an answer may take, 30 s when left out. */
  readonly timeoutMs?: number
}

/**
 * A typed client of the service's `/v1` API.
 * Each call throws AppError with the kind, code and next step of the service's problem document; `unavailable`
 * (`service_unreachable`) when nothing answers at the address.
 */
export function rodizioClient({ url, token, timeoutMs = 30_000 }: ClientOptions) {
  const base = url.replace(/\/$/, '')

  async function send(
    path: string,
    init: RequestInit = {},
    patienceMs = timeoutMs,
  ): Promise<Response> {
    const headers = { authorization: `Bearer ${token}`, ...init.headers }
    const late = AbortSignal.timeout(patienceMs)
    const signal = init.signal ? AbortSignal.any([init.signal, late]) : late
    const asked = { ...init, headers, signal }
    const answer =
      patienceMs > fetchMs ? patientFetch(base + path, asked) : fetch(base + path, asked)
    const response = await answer.catch((cause: unknown) => {
      throw new AppError('unavailable', `no Rodízio service answers at ${base}`, {
        code: 'service_unreachable',
        next: 'Start it with: rodizio up (or set RODIZIO_URL to where it runs)',
        cause,
      })
    })
    if (response.ok) return response
    throw problemOf(response.status, await response.text().catch(messageOf))
  }

  const read = async <T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> =>
    parse(schema, await (await send(path)).json())

  const post = async <T extends z.ZodType>(
    path: string,
    body: unknown,
    schema: T,
    idempotencyKey?: string,
    patienceMs?: number,
  ): Promise<z.output<T>> => {
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    if (idempotencyKey) headers['idempotency-key'] = idempotencyKey
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await send(path, init, patienceMs)
    return parse(schema, await response.json())
  }

  const patch = async <T extends z.ZodType>(path: string, body: unknown, schema: T) => {
    const headers = { 'content-type': 'application/json' }
    const response = await send(path, { method: 'PATCH', headers, body: JSON.stringify(body) })
    return parse(schema, await response.json())
  }

  const put = async <T extends z.ZodType>(path: string, body: unknown, schema: T) => {
    const headers = { 'content-type': 'application/json' }
    const response = await send(path, { method: 'PUT', headers, body: JSON.stringify(body) })
    return parse(schema, await response.json())
  }

  const remove = async <T extends z.ZodType>(
    path: string,
    schema: T,
    patienceMs?: number,
  ): Promise<z.output<T>> =>
    parse(schema, await (await send(path, { method: 'DELETE' }, patienceMs)).json())

  const all = async <T extends z.ZodType>(path: string, item: T): Promise<z.output<T>[]> => {
    const items: z.output<T>[] = []
    let next: string | null = ''
    while (next !== null) {
      const more: string = next === '' ? '' : `${path.includes('?') ? '&' : '?'}cursor=${next}`
      const answer: { items: z.output<T>[]; next: string | null } = await read(
        path + more,
        wire.page(item),
      )
      items.push(...answer.items)
      next = answer.next
    }
    return items
  }
  const at = encodeURIComponent

  return {
    base,
    token,
    health: () => read('/health', wire.Health),
    datasets: () => all('/v1/datasets', wire.Dataset),
    adapters: (line: string | undefined) =>
      all(`/v1/adapters${line === undefined ? '' : `?line=${at(line)}`}`, adapter.Adapter),
    /** What a box is to serve; null when it is still `after` at the end of the wait. */
    servedAdapter: async (asked: {
      run: string | undefined
      version: string | undefined
      after: string | undefined
      waitSeconds: number
      signal?: AbortSignal
    }) => {
      const query = new URLSearchParams({ waitSeconds: String(asked.waitSeconds) })
      for (const name of ['run', 'version', 'after'] as const) {
        if (asked[name] !== undefined) query.set(name, asked[name])
      }
      const patienceMs = timeoutMs + asked.waitSeconds * 1000
      const stop = asked.signal ? { signal: asked.signal } : {}
      const response = await send(`/v1/served-adapter?${query}`, stop, patienceMs)
      return response.status === 204 ? null : parse(adapter.Resolution, await response.json())
    },
    adapter: (version: string) => read(`/v1/adapters/${at(version)}`, adapter.AdapterDetails),
    adapterCard: (version: string) => read(`/v1/adapters/${at(version)}/card`, adapter.AdapterCard),
    /** The Hub and Drive are given time. */
    publishAdapter: async (version: string, wanted: z.input<typeof adapter.NewPublication>) => {
      const path = `/v1/adapters/${at(version)}/publications`
      const headers = { 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify(wanted) }
      return parse(adapter.PublicationStep, await (await send(path, init, patientMs)).json())
    },
    promoteAdapter: (version: string, said: z.input<typeof adapter.Decision>) =>
      post(`/v1/adapters/${at(version)}/promotion`, said, adapter.Adapter),
    rejectAdapter: (version: string, said: z.input<typeof adapter.Decision>) =>
      post(`/v1/adapters/${at(version)}/rejection`, said, adapter.Adapter),
    audit: async (most: number) =>
      (await read(`/v1/audit?limit=${most}`, wire.page(log.AuditLine))).items,
    auditVerdict: () => read('/v1/audit/verdict', log.AuditVerdict),
    /** A place elsewhere may let itself be asked for several times. */
    backups: async (from?: string) => {
      const path = `/v1/backups${from === undefined ? '' : `?from=${at(from)}`}`
      return parse(safe.Backups, await (await send(path, {}, patientMs)).json())
    },
    /** How backups fare, without a look at their place. */
    backupState: () => read('/v1/backups?brief=true', safe.Backups),
    fetchBackup: (name: string, from: string) =>
      post(
        `/v1/backups/${at(name)}/copy?from=${at(from)}`,
        {},
        safe.BackupCopied,
        undefined,
        backupMs,
      ),
    createBackup: (wanted: z.input<typeof safe.NewBackup>) =>
      post('/v1/backups', wanted, safe.BackupMade, undefined, backupMs),
    tokens: () => all('/v1/tokens', access.Token),
    createToken: (wanted: z.input<typeof access.NewToken>) =>
      post('/v1/tokens', wanted, access.TokenMade),
    revokeToken: (name: string) => remove(`/v1/tokens/${at(name)}`, access.Token),
    adapterLine: (line: string) => read(`/v1/adapter-lines/${at(line)}`, adapter.AdapterLine),
    changeAdapterLine: (line: string, change: z.input<typeof adapter.LineChange>) =>
      patch(`/v1/adapter-lines/${at(line)}`, change, adapter.AdapterLine),
    rollBackAdapter: (line: string, said: z.input<typeof adapter.Rollback>) =>
      post(`/v1/adapter-lines/${at(line)}/rollbacks`, said, adapter.RolledBack),
    dataset: (name: string) => read(`/v1/datasets/${at(name)}`, wire.Dataset),
    removeDataset: (name: string, dryRun: boolean) =>
      remove(`/v1/datasets/${at(name)}?dryRun=${dryRun}`, wire.DatasetRemoval),
    runs: () => all('/v1/runs', wire.RunSummary),
    run: (name: string) => read(`/v1/runs/${at(name)}`, wire.Run),
    startRun: (run: wire.NewRun, idempotencyKey?: string) =>
      post('/v1/runs', run, wire.StartedRun, idempotencyKey),
    stopRun: (name: string) => post(`/v1/runs/${at(name)}/stop`, {}, wire.StopAnswer),
    removeRun: (name: string, dryRun: boolean) =>
      remove(`/v1/runs/${at(name)}?dryRun=${dryRun}`, wire.RunRemoval),
    changeRun: (name: string, change: wire.RunChange) =>
      patch(`/v1/runs/${at(name)}`, change, wire.RunSummary),
    standingRuns: () => all('/v1/standing-runs', standing.StandingRun),
    standingRun: (name: string) =>
      read(`/v1/standing-runs/${at(name)}`, standing.StandingRunDetails),
    startStandingRun: (wanted: standing.NewStandingRun, idempotencyKey?: string) =>
      post('/v1/standing-runs', wanted, standing.StartedStandingRun, idempotencyKey),
    stopStandingRun: (name: string, run: boolean) =>
      post(`/v1/standing-runs/${at(name)}/stop`, { run }, standing.StandingStopAnswer),
    removeStandingRun: (name: string, dryRun: boolean) =>
      remove(`/v1/standing-runs/${at(name)}?dryRun=${dryRun}`, standing.StandingRemoval),
    nodes: () => all('/v1/nodes', node.NodeSummary),
    node: (name: string) => read(`/v1/nodes/${at(name)}`, node.NodeDetails),
    addNode: (wanted: node.NewNode) => post('/v1/nodes', wanted, node.NodeSummary),
    changeNode: (name: string, change: node.NodeChange) =>
      patch(`/v1/nodes/${at(name)}`, change, node.NodeSummary),
    probeNode: (name: string) => post(`/v1/nodes/${at(name)}/probe`, {}, node.Probed),
    removeNode: (name: string) => remove(`/v1/nodes/${at(name)}`, node.NodeSummary),
    incidents: async (which: { open: boolean; node?: string; most: number }) => {
      const of = which.node === undefined ? '' : `&node=${at(which.node)}`
      const path = `/v1/incidents?open=${which.open}${of}&limit=${which.most}`
      return (await read(path, wire.page(node.IncidentSummary))).items
    },
    incident: (id: string) => read(`/v1/incidents/${at(id)}`, node.Incident),
    acknowledgeIncident: (id: string, by: string) =>
      post(`/v1/incidents/${at(id)}/acknowledgement`, { by }, node.Incident),
    silences: () => all('/v1/silences', node.Silence),
    silence: (wanted: node.NewSilence) => post('/v1/silences', wanted, node.Silence),
    endSilence: (id: string) => remove(`/v1/silences/${at(id)}`, node.Silence),
    policies: () => all('/v1/serving', served.PolicySummary),
    policy: (name: string) => read(`/v1/serving/${at(name)}`, served.Policy),
    addPolicy: (policy: served.NewPolicy, idempotencyKey?: string) =>
      post('/v1/serving', policy, served.AddedPolicy, idempotencyKey),
    changePolicy: (name: string, change: served.PolicyChange) =>
      patch(`/v1/serving/${at(name)}`, change, served.AddedPolicy),
    stopPolicy: (name: string) => post(`/v1/serving/${at(name)}/stop`, {}, served.PolicyStop),
    removePolicy: (name: string, dryRun: boolean) =>
      remove(`/v1/serving/${at(name)}?dryRun=${dryRun}`, served.PolicyRemoval),
    policyEvents: (name: string, after: number) =>
      all(`/v1/serving/${at(name)}/events?after=${after}`, wire.RunEvent),
    plan: (explain: boolean) => read(`/v1/plan?explain=${explain}`, wire.Plan),
    events: (name: string, after: number) =>
      all(`/v1/runs/${at(name)}/events?after=${after}`, wire.RunEvent),
    leftOvers: () => read('/v1/store/leftovers', wire.LeftOvers),
    removeLeftOvers: () => remove('/v1/store/leftovers', wire.LeftOvers, patientMs),
    sessions: (which: { open?: boolean; account?: string; run?: string } | boolean) => {
      const { open = false, ...rest } = typeof which === 'boolean' ? { open: which } : which
      const query = new URLSearchParams({ open: String(open), ...rest })
      return all(`/v1/sessions?${query}`, wire.Session)
    },
    accounts: (withRemoved = false) => all(`/v1/accounts?all=${withRemoved}`, wire.Account),
    account: (name: string) => read(`/v1/accounts/${at(name)}`, wire.AccountDetails),
    removeAccount: (name: string, dryRun: boolean) =>
      remove(`/v1/accounts/${at(name)}?dryRun=${dryRun}`, wire.AccountRemoval),
    adjustBudget: (name: string, adjustment: wire.NewAdjustment, idempotencyKey: string) =>
      post(`/v1/accounts/${at(name)}/adjustments`, adjustment, wire.Budget, idempotencyKey),
    absences: () => all('/v1/absences', wire.Absence),
    addAbsence: (absence: wire.NewAbsence) => post('/v1/absences', absence, wire.Absence),
    removeAbsence: (id: string) => remove(`/v1/absences/${at(id)}`, wire.Absence),
    addAccount: (account: wire.NewAccount) => post('/v1/accounts', account, wire.Account),
    acceptServing: (name: string, accepted: served.NewServing) =>
      put(`/v1/accounts/${at(name)}/serving`, accepted, served.Serving),
    revokeServing: (name: string) => remove(`/v1/accounts/${at(name)}/serving`, served.Serving),
    testAccount: (name: string) => post(`/v1/accounts/${at(name)}/test`, {}, wire.AccountTest),
    beginLogin: () => post('/v1/logins/google', {}, wire.LoginStatus),
    loginStatus: () => read('/v1/logins/google', wire.LoginStatus),
    endLogin: () => remove('/v1/logins/google', wire.LoginStatus),
    keepHubToken: (token: string) => put('/v1/logins/hub', { token }, wire.HubStatus),
    hubStatus: () => read('/v1/logins/hub', wire.HubStatus),
    forgetHubToken: () => remove('/v1/logins/hub', wire.HubStatus),
    alerts: (filter: { kind?: string; state?: string }, limit: number) =>
      read(
        `/v1/alerts?${new URLSearchParams({ ...filter, limit: String(limit) })}`,
        wire.page(alerts.Alert),
      ),
    alert: (id: string) => read(`/v1/alerts/${at(id)}`, alerts.Alert),
    /** Mail servers are given time. */
    testAlerts: async (channel?: string) => {
      const query = channel === undefined ? '' : `?channel=${at(channel)}`
      const response = await send(`/v1/alerts/test${query}`, { method: 'POST' }, 180_000)
      return parse(alerts.AlertTrial, await response.json())
    },
    retryDelivery: (id: string) =>
      post(`/v1/alert-deliveries/${at(id)}/retry`, {}, alerts.AlertDelivery),
    retryDeliveries: (channel?: string) =>
      post(
        `/v1/alert-deliveries/retry${channel === undefined ? '' : `?channel=${at(channel)}`}`,
        {},
        alerts.AlertRetry,
      ),
    inbox: (limit: number) => all(`/v1/inbox?limit=${limit}`, alerts.InboxMail),
    alertChannels: () => all('/v1/alert-channels', alerts.AlertChannel),
    addAlertChannel: (channel: alerts.NewAlertChannel) =>
      post('/v1/alert-channels', channel, alerts.AlertChannel),
    changeAlertChannel: (name: string, change: alerts.AlertChannelChange) =>
      patch(`/v1/alert-channels/${at(name)}`, change, alerts.AlertChannel),
    removeAlertChannel: (name: string) =>
      remove(`/v1/alert-channels/${at(name)}`, alerts.AlertChannel),
    budget: () => all('/v1/budget', wire.Budget),
  }
}

export type RodizioClient = ReturnType<typeof rodizioClient>

/** The error behind a problem document; one that is none becomes a sentence with its status. */
export function problemOf(status: number, body: string): AppError {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    json = undefined // an answer from something that is not our service
  }
  const problem = wire.Problem.safeParse(json)
  if (!problem.success) {
    return new AppError(
      'unavailable',
      `what answers there is no Rodízio service (status ${status})`,
      {
        code: 'not_rodizio',
        next: 'Check the address in RODIZIO_URL, or start the service with: rodizio up',
      },
    )
  }
  const { detail, code, next } = problem.data
  return new AppError(kindOf(status), detail, next === undefined ? { code } : { code, next })
}

function parse<T extends z.ZodType>(schema: T, json: unknown): z.output<T> {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new AppError(
    'unavailable',
    `the service gave an unexpected answer: ${z.prettifyError(parsed.error)}`,
    {
      next: 'Use the same version of Rodízio for the command and the service',
    },
  )
}
