import type { Seen } from '../health/probe.ts'
import { toldHeaders } from '../health/probe.ts'
import type { RelayAnswer } from './relay-request.ts'

/** No health answer is longer. */
const healthBytes = 64 * 1024

/** A node's whole answer as a look shows it; throws what its body throws. */
export async function seenOf(answer: RelayAnswer, elapsed: () => number): Promise<Seen> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of answer.body) {
    parts.push(part)
    size += part.length
    if (size > healthBytes) break
  }
  const shown = toldHeaders.flatMap((name) => {
    const value = answer.headers[name]
    return value === undefined ? [] : [[name, value.slice(0, 200)]]
  })
  return {
    kind: 'answered',
    status: answer.status,
    headers: Object.fromEntries(shown) as Record<string, string>, // pairs of strings, as built above
    body: Buffer.concat(parts).subarray(0, healthBytes).toString('utf8'),
    isCut: size > healthBytes,
    ms: elapsed(),
    certificateEndsAt: null,
  }
}
