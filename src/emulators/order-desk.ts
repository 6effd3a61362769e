import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AdminCalls, answerCall } from './admin-calls.ts'
import { sendJson } from './answer.ts'
import type { createGround } from './ground.ts'
import { readJson } from './request-body.ts'

/** The name of the order that a request gives (`clock` of `/_emulator/clock`), or null. */
export const orderOf = (path: string): string | null =>
  /^\/_emulator\/([a-z-]+)$/.exec(path.split('?')[0] ?? '')?.[1] ?? null

/** Answers an order of whoever has the token. Throws 401, 404 for one that there is not, 400 for a body that does not fit. */
export async function answerOrder(
  name: string,
  ground: Pick<ReturnType<typeof createGround>, 'refuseStranger'>,
  calls: AdminCalls,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  ground.refuseStranger(request)
  const body = await readJson(request, undefined)
  await sendJson(response, 200, await answerCall(calls, request.method ?? 'GET', name, body))
}
