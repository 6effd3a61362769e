import type { AppError } from '../../lib/errors.ts'
import { garbledAnswer, networkFailure, type Refused } from './failures.ts'

export interface HubAddress {
  /** Without a slash at its end. */
  readonly baseUrl: string
  /** How long each answer may take. */
  readonly timeoutMs: number
}

/** A refusal in the words of the product. */
export type RefusalWords = (
  refused: Refused,
  doing: string,
  hubUrl: string,
  id: string | undefined,
) => AppError

/** Calls to one hub, which never leave it: what redirects elsewhere, or names another address as its next page, goes unasked. */
export function hubSend({ baseUrl, timeoutMs }: HubAddress, words: RefusalWords) {
  const isHubs = (url: string): boolean => URL.parse(url)?.origin === new URL(baseUrl).origin
  return {
    isHubs,
    /** One request, redirects left to whoever asked. @throws AppError by `words`, or `unavailable` */
    async send(url: string, init: RequestInit, doing: string, id?: string): Promise<Response> {
      if (!isHubs(url)) throw garbledAnswer(doing)
      const signal = AbortSignal.timeout(timeoutMs)
      const response = await fetch(url, { ...init, redirect: 'manual', signal }).catch(
        (error: unknown) => {
          throw networkFailure(error, doing)
        },
      )
      if (response.ok || (response.status >= 300 && response.status < 400)) return response
      await response.body?.cancel()
      throw words(response, doing, baseUrl, id)
    },
  }
}
