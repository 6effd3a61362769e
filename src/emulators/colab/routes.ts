/** What a request asks for; the name is that by which faults and the record of requests know it. */
export type Route =
  | { readonly kind: 'backend'; readonly name: string; readonly endpoint: string }
  | { readonly kind: 'admin'; readonly name: string }

const BACKEND: readonly (readonly [string, RegExp, string])[] = [
  ['GET', /^\/tun\/m\/assign$/, 'GetAssignment'],
  ['POST', /^\/tun\/m\/assign$/, 'PostAssignment'],
  ['GET', /^\/tun\/m\/assignments$/, 'ListAssignments'],
  ['GET', /^\/tun\/m\/ccu-info$/, 'GetBalance'],
  ['GET', /^\/tun\/m\/unassign\/([^/]+)$/, 'GetUnassignment'],
  ['POST', /^\/tun\/m\/unassign\/([^/]+)$/, 'PostUnassignment'],
]

/** Where a request goes, or null for what is not modelled. */
export function routeOf(method: string, { pathname }: URL): Route | null {
  const admin = /^\/_emulator\/([a-z-]+)$/.exec(pathname)
  if (admin) return { kind: 'admin', name: admin[1] ?? '' }
  for (const [verb, pattern, name] of BACKEND) {
    const found = verb === method ? pattern.exec(pathname) : null
    if (found) return { kind: 'backend', name, endpoint: found[1] ?? '' }
  }
  return null
}
