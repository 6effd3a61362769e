import { z } from 'zod'
import { nodeLost } from './relay-failures.ts'
import { relayLimits } from './relay-limits.ts'
import { onlyHeaders, passedBack, type RelayAnswer } from './relay-request.ts'

const Head = z.object({
  status: z.int().min(200).max(599),
  headers: z.record(z.string(), z.string()).default({}),
})

/**
 * Reads status and headers, which an upload begins with as one line of JSON; the body then is what follows, piece for piece as
 * it comes, never read before it is asked for.
 * @param gone rejects when the caller has left
 * @throws AppError `unavailable` (`node_lost`), or what `gone` rejects with
 */
export async function answerOf(
  upload: AsyncIterator<Uint8Array>,
  gone: Promise<never>,
): Promise<RelayAnswer> {
  const next = async () => {
    const piece = await Promise.race([
      upload.next().catch((error: unknown) => {
        throw nodeLost('its connection broke', error)
      }),
      gone,
    ])
    return piece.done ? undefined : piece.value
  }
  let held = Buffer.alloc(0)
  let end = -1
  while (end < 0) {
    const piece = await next()
    if (piece === undefined) throw nodeLost('it ended before it began')
    held = Buffer.concat([held, piece])
    end = held.indexOf(0x0a)
    if ((end < 0 ? held.length : end) > relayLimits.headBytes) {
      throw nodeLost('its first line is too long')
    }
  }
  const head = readHead(held.subarray(0, end).toString('utf8'))
  const headers = new Map(Object.entries(head.headers).map(([k, v]) => [k.toLowerCase(), v]))
  return {
    status: head.status,
    headers: onlyHeaders(passedBack, (name) => headers.get(name)),
    body: rest(held.subarray(end + 1), next),
  }
}

function readHead(line: string): z.infer<typeof Head> {
  let said: unknown
  try {
    said = JSON.parse(line)
  } catch (error) {
    throw nodeLost('its first line is no JSON', error)
  }
  const head = Head.safeParse(said)
  if (!head.success) throw nodeLost('its first line is not status and headers')
  return head.data
}

async function* rest(
  first: Uint8Array,
  next: () => Promise<Uint8Array | undefined>,
): AsyncGenerator<Uint8Array> {
  let size = 0
  for (let piece: Uint8Array | undefined = first; piece !== undefined; piece = await next()) {
    size += piece.length
    if (size > relayLimits.answerBytes) {
      throw nodeLost(`it is longer than ${relayLimits.answerBytes} bytes`)
    }
    if (piece.length > 0) yield piece
  }
}
