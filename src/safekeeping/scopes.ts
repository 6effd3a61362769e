/** What a token may do; each is granted by itself, and `admin` is all of them. */
export const scopes = ['admin', 'operator', 'viewer', 'node', 'pull', 'chat'] as const
export type Scope = (typeof scopes)[number]

export const scopeWords: Readonly<Record<Scope, string>> = {
  admin: 'everything',
  operator: 'begin, change and stop what runs; see everything',
  viewer: 'see everything but secrets',
  node: 'add, change and probe nodes',
  pull: 'fetch the adapter that is served',
  chat: 'ask models',
}

/** Who may do what, by the first line that fits: method and path, `*` for one part of it. What no line fits is for `admin`. */
const rules: readonly (readonly [method: string, path: string, ...allowed: Scope[]])[] = [
  // With the right to read its bytes where they lie.
  ['GET', '/v1/served-adapter', 'pull', 'operator'],
  ['GET', '/v1/adapters/*/files/*', 'pull', 'operator'],
  ['GET', '/v1/nodes', 'node', 'viewer', 'operator'],
  ['GET', '/v1/nodes/*', 'node', 'viewer', 'operator'],
  ['POST', '/v1/nodes', 'node', 'operator'],
  ['PATCH', '/v1/nodes/*', 'node', 'operator'],
  ['POST', '/v1/nodes/*/probe', 'node', 'operator'],
  ['DELETE', '/v1/nodes/*', 'operator'],
  // Sign-ins, tokens and the addresses of channels are nobody's business but the admin's.
  ['GET', '/v1/logins/*'],
  ['GET', '/v1/tokens'],
  ['GET', '/v1/alert-channels', 'operator'],
  ['GET', '/v1/inbox', 'operator', 'viewer'],
  ...(['runs', 'standing-runs', 'serving', 'datasets', 'accounts', 'sessions'] as const).flatMap(
    seen,
  ),
  ...(['plan', 'budget', 'absences', 'incidents', 'silences', 'alerts'] as const).flatMap(seen),
  ...(['adapters', 'adapter-lines'] as const).flatMap(seen),
  ...(['runs', 'standing-runs', 'serving', 'datasets', 'absences'] as const).flatMap(changed),
  ...(['incidents', 'silences', 'alerts', 'alert-deliveries'] as const).flatMap(changed),
  ...(['adapters', 'adapter-lines'] as const).flatMap(changed),
]

type Rule = (typeof rules)[number]

function seen(name: string): Rule[] {
  return ['', '/*', '/*/*'].map(
    (rest) => ['GET', `/v1/${name}${rest}`, 'viewer', 'operator'] as const,
  )
}

function changed(name: string): Rule[] {
  return ['POST', 'PATCH', 'PUT', 'DELETE'].flatMap((method) =>
    ['', '/*', '/*/*'].map((rest) => [method, `/v1/${name}${rest}`, 'operator'] as const),
  )
}

const patterns = rules.map(([method, path, ...allowed]) => ({
  method,
  pattern: new RegExp(`^${path.replaceAll('*', '[^/]+')}$`),
  allowed: new Set<Scope>(allowed),
}))

/** Which scopes beside `admin` may make a call. Nothing is allowed that no rule allows. Pure. */
export function allowedFor(method: string, path: string): ReadonlySet<Scope> {
  const asked = method === 'HEAD' ? 'GET' : method
  return patterns.find((rule) => rule.method === asked && rule.pattern.test(path))?.allowed ?? none
}

const none: ReadonlySet<Scope> = new Set()

/** Whether a token with these scopes may make a call. Pure. */
export function authorize(granted: readonly Scope[], method: string, path: string): boolean {
  if (granted.includes('admin')) return true
  const allowed = allowedFor(method, path)
  return granted.some((scope) => allowed.has(scope))
}
