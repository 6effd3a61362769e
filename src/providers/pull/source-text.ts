import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { get, hostOf, networkFailure, type Remote } from './get.ts'

const silenceMs = 20_000
const mostTextBytes = 1 << 20
const mostTries = 5
const firstWaitMs = 700

/**
 * A small text of a place that adapters are pulled from. Trouble that may pass is outlasted, some ten seconds of it.
 * @param refusal what a status other than 200 means there
 * @throws AppError what `refusal` makes, `unavailable` (`network`, `answer_unknown`)
 */
export async function sourceText(
  remote: Remote,
  what: string,
  { clock, refusal }: { readonly clock: Clock; readonly refusal: (status: number) => AppError },
): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once(remote, what, refusal)
    } catch (error) {
      const failure = networkFailure(error, remote.url)
      if (failure.kind !== 'unavailable' || tries >= mostTries) throw failure
      await clock.sleep(firstWaitMs * 2 ** (tries - 1))
    }
  }
}

async function once(
  remote: Remote,
  what: string,
  refusal: (status: number) => AppError,
): Promise<string> {
  const answer = await get(remote, { silenceMs })
  if (answer.statusCode !== 200) {
    answer.resume()
    throw refusal(answer.statusCode ?? 0)
  }
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part)
    size += part.length
    if (size > mostTextBytes) throw garbled(remote.url, what)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** JSON, or undefined: then it fits no schema either. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no JSON
  }
}

export const garbled = (url: string, what: string): AppError =>
  new AppError('unavailable', `${hostOf(url)} gave an answer that is none, looking for ${what}`, {
    code: 'answer_unknown',
  })
