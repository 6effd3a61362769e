import { networkFailure } from './failures.ts'

/** Where calls get their right to Drive from. */
export interface AccessTokens {
  /** A token good for at least so many seconds, some minutes when left out. Throws AppError. */
  get(minSeconds?: number): Promise<{ readonly token: string }>
  /** The one that was given is refused: the next `get` fetches another. */
  forget(): void
}

export interface DriveHttpOptions {
  readonly tokens: AccessTokens
  readonly timeoutMs: number
}

/** An answer whose body is still on its way, to be read or thrown away. */
export interface Answer {
  readonly status: number
  readonly isOk: boolean
  header(name: string): string | null
  text(): Promise<string>
  bytes(): AsyncIterable<Uint8Array>
  discard(): Promise<void>
}

/**
 * Requests with a token. An answer has `timeoutMs` to begin, and again for each part of it: it may last as long as it goes on.
 * Asks once more with a fresh token when the first is refused. Everything throws AppError.
 */
export function driveHttp({ tokens, timeoutMs }: DriveHttpOptions) {
  const attempt = async (url: string, init: RequestInit, doing: string): Promise<Answer> => {
    const { token } = await tokens.get()
    const ending = new AbortController()
    const within = async <Value>(work: Promise<Value>): Promise<Value> => {
      const timer = setTimeout(() => ending.abort(new DOMException('', 'TimeoutError')), timeoutMs)
      try {
        return await work
      } catch (error) {
        throw networkFailure(error, doing)
      } finally {
        clearTimeout(timer)
      }
    }
    const response = await within(
      fetch(url, {
        redirect: 'manual', // 308 is no redirect here, and a token follows nobody elsewhere
        ...init,
        headers: { authorization: `Bearer ${token}`, ...init.headers },
        signal: ending.signal,
      }),
    )
    async function* bytes(): AsyncGenerator<Uint8Array> {
      const reader = response.body?.getReader()
      if (!reader) return
      try {
        for (;;) {
          const { value, done } = await within(reader.read())
          if (done) return
          yield value
        }
      } finally {
        ending.abort() // whoever stops in the middle wants no more of it
      }
    }
    return {
      status: response.status,
      isOk: response.ok,
      header: (name) => response.headers.get(name),
      text: async () => Buffer.concat(await Array.fromAsync(bytes())).toString('utf8'),
      bytes,
      discard: async () => {
        for await (const _ of bytes()); // to its end, so that the connection can serve again
      },
    }
  }

  return async (url: string, init: RequestInit, doing: string): Promise<Answer> => {
    const answer = await attempt(url, init, doing)
    if (answer.status !== 401) return answer
    await answer.discard()
    tokens.forget()
    return await attempt(url, init, doing)
  }
}
