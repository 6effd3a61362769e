/** The calls that change something. */
export type WriteName =
  | 'create'
  | 'validate-yaml'
  | 'preupload'
  | 'lfs-batch'
  | 'lfs-put'
  | 'lfs-complete'
  | 'lfs-verify'
  | 'commit'
  | 'tag'
  | 'untag'

/** What a request asks for: the name by which faults and records know it, and what its address says. */
export interface Route {
  readonly name:
    | 'admin'
    | 'whoami'
    | 'info'
    | 'tree'
    | 'paths-info'
    | 'resolve'
    | 'resolve-cache'
    | 'signed'
    | 'refs'
    | 'commits'
    | WriteName
  readonly query: URLSearchParams
  /** `owner/name` of a repository; the name of an admin order. */
  readonly subject: string
  readonly revision: string
  readonly path: string
}

const reads: readonly string[] = [
  'admin',
  'whoami',
  'info',
  'tree',
  'paths-info',
  'resolve',
  'resolve-cache',
  'signed',
  'refs',
  'commits',
] satisfies Exclude<Route['name'], WriteName>[]

/** Whether a call changes something. */
export const isWrite = (route: Route): route is Route & { readonly name: WriteName } =>
  !reads.includes(route.name)

const ID = '([^/]+/[^/]+)'
const ROUTES: readonly (readonly [string, RegExp, Route['name']])[] = [
  ['GET', /^\/api\/whoami-v2$/, 'whoami'],
  ['GET', new RegExp(`^/api/models/${ID}/tree/([^/]+)$`), 'tree'],
  ['POST', new RegExp(`^/api/models/${ID}/paths-info/([^/]+)$`), 'paths-info'],
  ['GET', new RegExp(`^/api/models/${ID}/revision/([^/]+)$`), 'info'],
  ['GET', new RegExp(`^/api/models/${ID}$`), 'info'],
  ['GET', new RegExp(`^/api/resolve-cache/models/${ID}/([^/]+)/(.+)$`), 'resolve-cache'],
  ['GET', new RegExp(`^/_signed/${ID}/([^/]+)/(.+)$`), 'signed'],
  ['GET', new RegExp(`^/api/models/${ID}/refs$`), 'refs'],
  ['GET', new RegExp(`^/api/models/${ID}/commits/([^/]+)$`), 'commits'],
  ['POST', /^\/api\/repos\/create$/, 'create'],
  ['POST', /^\/api\/validate-yaml$/, 'validate-yaml'],
  ['POST', new RegExp(`^/api/models/${ID}/preupload/([^/]+)$`), 'preupload'],
  ['POST', new RegExp(`^/${ID}\\.git/info/lfs/objects/batch$`), 'lfs-batch'],
  ['POST', new RegExp(`^/${ID}\\.git/info/lfs/verify$`), 'lfs-verify'],
  ['POST', new RegExp(`^/api/models/${ID}/commit/([^/]+)$`), 'commit'],
  ['POST', new RegExp(`^/api/models/${ID}/tag/([^/]+)$`), 'tag'],
  ['DELETE', new RegExp(`^/api/models/${ID}/tag/([^/]+)$`), 'untag'],
  ['PUT', new RegExp(`^/_upload/${ID}/([0-9a-f]{64})/(\\d+-\\d+)$`), 'lfs-put'],
  ['POST', new RegExp(`^/_upload/${ID}/([0-9a-f]{64})/(\\d+-\\d+)$`), 'lfs-complete'],
  ['GET', new RegExp(`^/${ID}/resolve/([^/]+)/(.+)$`), 'resolve'],
]

/** Where a request goes, or null. */
export function routeOf(method: string, target: string): Route | null {
  const url = URL.parse(target, 'http://localhost')
  if (!url) return null
  const query = url.searchParams
  const admin = /^\/_emulator\/([a-z-]+)$/.exec(url.pathname)
  if (admin) return { name: 'admin', query, subject: admin[1] ?? '', revision: '', path: '' }
  const verb = method === 'HEAD' ? 'GET' : method
  for (const [wanted, pattern, name] of ROUTES) {
    const match = wanted === verb ? pattern.exec(url.pathname) : null
    if (!match) continue
    const [subject = '', revision = 'main', path = ''] = match.slice(1).map(decoded)
    return { name, query, subject, revision, path }
  }
  return null
}

function decoded(part: string | undefined): string | undefined {
  try {
    return part === undefined ? undefined : decodeURIComponent(part)
  } catch {
    return part // not an encoded text: taken as it stands
  }
}
