import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { newId, newSecret, sameSecret, sha256Hex } from '../../lib/random.ts'
import { check } from '../admin-calls.ts'
import { sendJson } from '../answer.ts'
import { readJson } from '../request-body.ts'
import { ServiceError } from '../service-error.ts'
import type { StateFile } from '../state-file.ts'
import type { createEndpoints } from './endpoints.ts'
import type { State } from './state.ts'

/** Where an agent holds the tunnel of that name open. */
const connectionPath = /^\/tunnel\/([a-z0-9-]{1,63})\/connection$/
const Connection = z.object({ upstream: z.string().min(1).max(200) })

/**
 * Quick tunnels as agents open them. Asked for as of Cloudflare (github.com/cloudflare/cloudflared, cmd/cloudflared/tunnel/quick_tunnel.go,
 * read 2026-11): `POST /tunnel`. Held by one call whose answer does not end, in place of QUIC: an agent whose call breaks off is gone.
 */
export function createQuickTunnels(
  file: StateFile<State>,
  endpoints: ReturnType<typeof createEndpoints>,
) {
  const held = new Map<string, ServerResponse>()
  const tunnels = () => file.state.quickTunnels
  const isKnown = (name: string): boolean =>
    file.state.endpoints.some((endpoint) => endpoint.name === name)
  const gone = (name: string): void => {
    if (isKnown(name)) endpoints.condition({ name, condition: 'gone' })
  }
  // No agent outlives a start by its word alone: it comes again.
  for (const { name } of tunnels()) gone(name)

  async function begin(response: ServerResponse): Promise<void> {
    const id = newId('quick')
    const name = id.replace('_', '-')
    const secret = newSecret('tun')
    file.state.quickTunnels = [...tunnels(), { name, secretSha256: sha256Hex(secret) }]
    file.save()
    const hostname = `${name}.trycloudflare.com`
    const result = { id, name, hostname, account_tag: 'emulated', secret }
    await sendJson(response, 200, { success: true, result, errors: [], messages: [] })
  }

  async function hold(
    name: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const tunnel = tunnels().find((one) => one.name === name)
    const said = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    if (!tunnel || !sameSecret(sha256Hex(said), tunnel.secretSha256)) {
      throw new ServiceError(404, `There is no tunnel ${name}, or it is another agent's`)
    }
    const { upstream } = check(Connection, await readJson(request, undefined))
    endpoints.open({ name, upstream, kind: 'cloudflared' })
    held.get(name)?.destroy() // the agent has come again: its newest word counts
    held.set(name, response)
    response.once('close', () => {
      if (held.get(name) !== response) return
      held.delete(name)
      gone(name)
    })
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write('{"connected":true}\n')
  }

  /** It is nobody's any more: its agent is sent away, and let in no more. */
  function cut(name: string): void {
    if (!tunnels().some((one) => one.name === name)) {
      throw new ServiceError(404, `There is no quick tunnel ${name}`)
    }
    file.state.quickTunnels = tunnels().filter((one) => one.name !== name)
    file.save()
    held.get(name)?.destroy()
  }

  return {
    /** Answers an agent; false for any other request. Throws 404 for a tunnel that there is not. */
    async answer(
      method: string,
      path: string,
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<boolean> {
      if (method !== 'POST') return false
      const name = connectionPath.exec(path)?.[1]
      if (path !== '/tunnel' && name === undefined) return false
      await (name === undefined ? begin(response) : hold(name, request, response))
      return true
    },
    cut,
    /** All agents are sent away. */
    clear(): void {
      for (const response of held.values()) response.destroy()
    },
  }
}
