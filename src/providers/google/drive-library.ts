import type { drive_v3 } from '@googleapis/drive'
import type { Answer } from './http.ts'

export interface DriveLibraryOptions {
  /** Where `/drive/v3` begins, without a slash at its end. */
  readonly root: string
  readonly send: (url: string, init: RequestInit, doing: string) => Promise<Answer>
}

/** What each call of the library is given beside its own parameters. */
interface MethodOptions {
  readonly rootUrl: string
  readonly retry: false
  readonly responseType: 'stream'
  readonly fetchImplementation: typeof fetch
  readonly headers?: Record<string, string>
}

/**
 * Google's own client of Drive, loaded when it is first needed. It makes the requests: paths, parameters, bodies; `send` carries
 * them, with one token, one time limit and one way of failing, and the answer is read by whoever asked.
 */
export function driveLibrary({ root, send }: DriveLibraryOptions) {
  let loaded: Promise<drive_v3.Drive> | undefined
  const load = async (): Promise<drive_v3.Drive> => {
    const { drive } = await import('@googleapis/drive')
    return drive({ version: 'v3' })
  }

  return async (
    doing: string,
    ask: (api: drive_v3.Drive, options: MethodOptions) => Promise<unknown>,
  ): Promise<Answer> => {
    loaded ??= load()
    let answer: Answer | undefined
    const fetchImplementation = async (
      url: string | URL | Request,
      init: RequestInit = {},
    ): Promise<Response> => {
      const { method = 'GET', headers, body } = init
      const request = {
        method,
        headers: Object.fromEntries(new Headers(headers)),
        body: body ?? null,
      }
      answer = await send(String(url), request, doing)
      return new Response(null, { status: 204 })
    }
    // Each call names the address: given once, the library forgets it where media is concerned.
    const options = { rootUrl: `${root}/`, retry: false, responseType: 'stream' } as const
    try {
      await ask(await loaded, { ...options, fetchImplementation })
    } catch (error) {
      throw causeOf(error)
    }
    if (answer) return answer
    throw new Error('the library of Drive made no request')
  }
}

/** The library wraps what its transport throws. */
const causeOf = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? error.cause : error
