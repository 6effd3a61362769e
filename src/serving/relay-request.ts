/** What is passed on of a caller's request: one that a node's server answers as if it had been asked itself. */
export interface RelayRequest {
  readonly id: string
  readonly method: 'GET' | 'POST'
  /** `/health`, or one below `/v1/`, with its query. */
  readonly path: string
  /** Of `passedOn` alone, names in small letters. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | null
}

/** What a node answers, its body as it comes. Reading it to its end or leaving it is the reader's business, in a `for await`. */
export interface RelayAnswer {
  readonly status: number
  /** Of `passedBack` alone, names in small letters. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
}

/** Headers of a request that reach the node; all others stay here, those of one hop among them. */
export const passedOn = ['accept', 'authorization', 'content-type'] as const

/** Headers of an answer that reach the caller. */
export const passedBack = [
  'allow',
  'cache-control',
  'content-type',
  'retry-after',
  'www-authenticate',
  'x-accel-buffering',
] as const

const longestHeader = 2000

/** Those of the allowed headers that are there and plain. */
export function onlyHeaders(
  allowed: readonly string[],
  headerOf: (name: string) => string | undefined,
): Record<string, string> {
  return Object.fromEntries(
    allowed.flatMap((name) => {
      const value = headerOf(name)
      const isPlain =
        value !== undefined && value.length <= longestHeader && /^[\t -~]*$/.test(value)
      return isPlain ? [[name, value]] : []
    }),
  )
}

const longestPath = 1000

/** The path for the node where it is one that is passed on, else undefined. `query` is empty or begins with a question mark. */
export function pathForNode(path: string, query: string): string | undefined {
  const whole = path + query
  if (whole.length > longestPath || !/^[!-~]+$/.test(whole)) return undefined
  if (path === '/health') return path
  if (!/^\/v1\/[A-Za-z0-9._~:@%/-]+$/.test(path)) return undefined
  // Decoded twice over it still names no other place than one below /v1/.
  const plain = path
    .replaceAll(/%25/g, '%')
    .replaceAll(/%2e/gi, '.')
    .replaceAll(/%(?:2f|5c)/gi, '/')
  return plain.split('/').some((part) => part === '..' || part === '.') ? undefined : whole
}
