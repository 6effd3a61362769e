import type { Call } from './wire.ts'

/** What a request asks for. `fields` are those that stand in the address; a JSON body adds its own. */
export type Route =
  | { readonly kind: 'call'; readonly rpc: string; readonly fields: Call['fields'] }
  | { readonly kind: 'logs'; readonly fields: Call['fields'] }
  | { readonly kind: 'output-file'; readonly key: string }
  | { readonly kind: 'blob'; readonly token: string }
  | { readonly kind: 'admin'; readonly name: string }

/** Services whose methods are spoken here; a method of theirs that is missing gets 501, as does every other service. */
const RPC = /^\/v1\/[a-z]+\.(?:[A-Za-z]+)\/([A-Za-z]+)$/

/** The older REST addresses of the same calls: method, pattern with named parts, name of the call. */
const TWINS: readonly (readonly [string, RegExp, string])[] = [
  ['POST', /^\/v1\/kernels\/push$/, 'SaveKernel'],
  ['GET', /^\/v1\/kernels\/status$/, 'GetKernelSessionStatus'],
  ['GET', /^\/v1\/kernels\/output$/, 'ListKernelSessionOutput'],
  ['GET', /^\/v1\/kernels\/pull$/, 'GetKernel'],
  ['GET', /^\/v1\/kernels\/quota$/, 'GetAcceleratorQuotaStatistics'],
  ['POST', /^\/v1\/kernels\/cancel-session\/(?<kernelSessionId>\d+)$/, 'CancelKernelSession'],
  ['POST', /^\/v1\/kernels\/delete\/(?<userName>[^/]+)\/(?<kernelSlug>[^/]+)$/, 'DeleteKernel'],
  ['POST', /^\/v1\/blobs\/upload$/, 'StartBlobUpload'],
  ['POST', /^\/v1\/datasets\/create\/new$/, 'CreateDataset'],
  [
    'POST',
    /^\/v1\/datasets\/create\/version\/(?<ownerSlug>[^/]+)\/(?<datasetSlug>[^/]+)$/,
    'CreateDatasetVersion',
  ],
  [
    'GET',
    /^\/v1\/datasets\/status\/(?<ownerSlug>[^/]+)\/(?<datasetSlug>[^/]+)$/,
    'GetDatasetStatus',
  ],
  ['GET', /^\/v1\/datasets\/view\/(?<ownerSlug>[^/]+)\/(?<datasetSlug>[^/]+)$/, 'GetDataset'],
  ['GET', /^\/v1\/datasets\/list\/(?<ownerSlug>[^/]+)\/(?<datasetSlug>[^/]+)$/, 'ListDatasetFiles'],
]

const LOGS = /^\/v1\/kernels\/logs\/stream\/(?<userName>[^/]+)\/(?<kernelSlug>[^/]+)$/

/** Where a request goes, or null. The target may be a path or, as a proxy gets it, a whole address. */
export function routeOf(method: string, target: string): Route | null {
  const url = URL.parse(target, 'http://localhost')
  if (!url) return null
  const admin = /^\/_emulator\/([a-z]+)$/.exec(url.pathname)
  if (admin) return { kind: 'admin', name: admin[1] ?? '' }
  const file = /^\/_files\/(.+)$/.exec(url.pathname)
  if (file && method === 'GET') return { kind: 'output-file', key: file[1] ?? '' }
  const blob = /^\/_blobs\/(.+)$/.exec(url.pathname)
  if (blob && method === 'PUT') return { kind: 'blob', token: blob[1] ?? '' }

  const path = url.pathname.replace(/^\/api\//, '/')
  const rpc = RPC.exec(path)
  if (rpc && method === 'POST') return { kind: 'call', rpc: rpc[1] ?? '', fields: {} }
  const logs = LOGS.exec(path)
  if (logs && method === 'GET') return { kind: 'logs', fields: { ...logs.groups } }
  for (const [verb, pattern, name] of TWINS) {
    const twin = verb === method ? pattern.exec(path) : null
    const fields = { ...Object.fromEntries(url.searchParams), ...twin?.groups }
    if (twin) return { kind: 'call', rpc: name, fields }
  }
  return null
}

/** The name by which faults and the record of requests know a route. */
export function nameOf(route: Route): string {
  switch (route.kind) {
    case 'call':
      return route.rpc
    case 'logs':
      return 'StreamLogs'
    case 'output-file':
      return 'GetOutputFile'
    case 'blob':
      return 'PutBlob'
    case 'admin':
      return route.name
  }
}
