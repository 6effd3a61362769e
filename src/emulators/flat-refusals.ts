import type { ServerResponse } from 'node:http'
import { type Refusal, sendJson } from './answer.ts'

/** Faults in the words of Kaggle, which the emulated Colab uses too: the live one's are not known. */
export const flatRefusal =
  (response: ServerResponse) =>
  async (fault: Refusal, headers: Readonly<Record<string, string>>): Promise<void> => {
    const send = (status: number, value: unknown) =>
      sendJson(response, status, value, undefined, headers)
    switch (fault.kind) {
      case 'rate_limit':
        return await send(429, rateLimitBody(fault.shape))
      case 'status':
        return await send(fault.status, { code: fault.status, message: fault.message })
      case 'expired_token':
        return await send(401, { code: 401, message: 'The access token has expired' })
      case 'error_text':
        return await send(200, { error: fault.text, errorMessage: fault.text })
    }
  }

/** Both have been seen: https://github.com/Kaggle/kaggle-cli/issues/132 and /issues/931 (read 2026-11). */
const rateLimitBody = (shape: 'flat' | 'nested'): unknown =>
  shape === 'flat'
    ? { code: 429, message: 'TooManyRequests' }
    : { error: { code: 429, message: 'Too many requests', status: 'RESOURCE_EXHAUSTED' } }
