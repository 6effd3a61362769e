import { AppError, systemCode } from '../../lib/errors.ts'

/** An answer with an error status, as far as it is looked at. Clients tell cases apart by these headers. */
export interface Refused {
  readonly status: number
  readonly headers: Pick<Headers, 'get'>
}

/** What `fetch` threw: a time limit, a refused or broken connection. */
export function networkFailure(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error
  const isTimeout = error instanceof Error && /^(?:TimeoutError|AbortError)$/.test(error.name)
  const code = systemCode(error instanceof Error ? (error.cause ?? error) : error)
  const what = isTimeout ? 'no answer in time' : (code ?? 'the connection broke')
  return new AppError('unavailable', `the hub did not answer while ${doing} (${what})`, {
    code: isTimeout ? 'timeout' : code === 'ECONNREFUSED' ? 'unreachable' : 'connection_lost',
    cause: error,
    next: 'It is tried again; when it lasts, check the network of this machine',
  })
}

/** An answer that is not what this call answers. Its text is left out: it might hold an address that opens files. */
export const garbledAnswer = (doing: string, cause?: unknown): AppError =>
  new AppError('unavailable', `the hub's answer while ${doing} made no sense`, {
    code: 'bad_answer',
    next: 'It is tried again; when it lasts, the hub has changed its API',
    ...(cause === undefined ? {} : { cause }),
  })

const waitSeconds = 30

/**
 * A refusal in the words of the product, the address where a person can do something about it included. The cases as the hub's own
 * client for Python tells them apart (huggingface_hub 1.33, `hf_raise_for_status`).
 * @param id the repository that was asked for; undefined where the token alone was
 */
export function statusFailure(
  { status, headers }: Refused,
  doing: string,
  hubUrl: string,
  id?: string,
): AppError {
  const code = headers.get('x-error-code')
  const words = headers.get('x-error-message') ?? ''
  if (id !== undefined && code === 'GatedRepo' && status === 403) {
    return /await/i.test(words)
      ? new AppError(
          'not-allowed',
          `the authors of ${id} have not answered the request for access yet: ${hubUrl}/${id} shows how it stands`,
          { code: 'hub_licence' },
        )
      : new AppError(
          'not-allowed',
          `the licence of ${id} is not accepted by whose token the service has: accept it at ${hubUrl}/${id}`,
          { code: 'hub_licence' },
        )
  }
  if (status === 401 && code !== 'RepoNotFound') return tokenOver(hubUrl)
  if (status === 403) {
    return new AppError(
      'not-allowed',
      `the token of the hub may not read ${id ?? 'this'}: a fine-grained one wants the right to read gated repositories, which is given at ${hubUrl}/settings/tokens`,
      { code: 'hub_token_narrow', next: 'Give it that right, or another token: rodizio login hub' },
    )
  }
  if (status === 404 || status === 401) {
    return new AppError('not-found', `the hub has nothing while ${doing} (${code ?? status})`, {
      code: 'hub_not_found',
      next: 'Check the base and its revision; what is private is not found either',
    })
  }
  const told = Number(headers.get('retry-after'))
  return new AppError('unavailable', `the hub answered ${status} while ${doing}`, {
    code: status === 429 ? 'rate_limited' : 'hub_refused',
    next: 'It is tried again',
    retryAfterSeconds: Number.isFinite(told) && told > 0 ? told : waitSeconds,
  })
}

/** A token that the hub does not know, or knows no longer. */
export const tokenOver = (hubUrl: string): AppError =>
  new AppError(
    'unauthorized',
    `the hub does not take the token: make a read token at ${hubUrl}/settings/tokens, and give it with rodizio login hub`,
    { code: 'hub_token_over' },
  )
