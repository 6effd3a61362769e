/** What a request asks for: the name by which faults and records know it, and what its address says. */
export interface Route {
  readonly name: string
  readonly query: URLSearchParams
  /** The file in the path, or the name of an admin order; empty where there is none. */
  readonly subject: string
}

const FILES = '(?:/upload)?/drive/v3/files'
const ROUTES: readonly (readonly [string, RegExp, string])[] = [
  ['POST', /^\/token$/, 'token'],
  ['POST', /^\/device\/code$/, 'device.code'],
  ['GET', /^\/device$/, 'device.page'],
  ['POST', /^\/revoke$/, 'revoke'],
  ['GET', /^\/drive\/v3\/about$/, 'about.get'],
  ['GET', /^\/drive\/v3\/changes\/startPageToken$/, 'changes.getStartPageToken'],
  ['GET', /^\/drive\/v3\/changes$/, 'changes.list'],
  ['GET', /^\/drive\/v3\/files\/generateIds$/, 'files.generateIds'],
  ['DELETE', /^\/drive\/v3\/files\/trash$/, 'files.emptyTrash'],
  ['GET', /^\/drive\/v3\/files$/, 'files.list'],
  ['POST', new RegExp(`^${FILES}$`), 'files.create'],
  ['GET', /^\/drive\/v3\/files\/([^/]+)$/, 'files.get'],
  ['POST', /^\/drive\/v3\/files\/([^/]+)\/copy$/, 'files.copy'],
  ['PATCH', new RegExp(`^${FILES}/([^/]+)$`), 'files.update'],
  ['DELETE', /^\/drive\/v3\/files\/([^/]+)$/, 'files.delete'],
]

/** Where a request goes, or null. The target may be a path or, as a proxy gets it, a whole address. */
export function routeOf(
  method: string,
  target: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Route | null {
  const url = URL.parse(target, 'http://localhost')
  if (!url) return null
  const query = url.searchParams
  const path = url.pathname
  const admin = /^\/_emulator\/([a-z-]+)$/.exec(path)
  if (admin) return { name: 'admin', query, subject: admin[1] ?? '' }

  const upload = query.get('upload_id')
  if (upload !== null && path.startsWith('/upload/')) {
    if (method === 'DELETE') return { name: 'upload.cancel', query, subject: upload }
    if (method !== 'PUT' && method !== 'POST') return null
    const isQuestion = String(headers['content-range'] ?? '').startsWith('bytes */')
    return { name: isQuestion ? 'upload.status' : 'upload.chunk', query, subject: upload }
  }
  const override = headers['x-http-method-override'] // for addresses too long for a GET
  const verb = method === 'POST' && typeof override === 'string' ? override : method
  for (const [wanted, pattern, name] of ROUTES) {
    const match = wanted === verb ? pattern.exec(path) : null
    if (!match) continue
    const subject = decodeURIComponent(match[1] ?? '')
    return { name: isUpload(path) ? uploadName(query) : special(name, query), query, subject }
  }
  return null
}

const isUpload = (path: string): boolean => path.startsWith('/upload/')
const special = (name: string, query: URLSearchParams): string =>
  name === 'files.get' && query.get('alt') === 'media' ? 'files.download' : name
const uploadName = (query: URLSearchParams): string =>
  query.get('uploadType') === 'resumable' ? 'upload.start' : 'upload.simple'
