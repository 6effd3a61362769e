import { z } from 'zod'
import { garbledAnswer, networkFailure, statusFailure } from './failures.ts'
import { hubSend } from './send.ts'

export interface HubClientOptions {
  /** Without a slash at its end. */
  readonly baseUrl: string
  /** How long each answer may take. */
  readonly timeoutMs: number
}

/** A file of a repository at one commit. */
export interface HubFile {
  readonly name: string
  readonly bytes: number
  /** Git's name for the content of one that lies in the repository itself. */
  readonly oid: string
  /** SHA-256 of one that is stored apart and given out by a signed address; null for the others. */
  readonly sha256: string | null
}

const Entry = z.looseObject({
  type: z.string(),
  path: z.string(),
  size: z.number(),
  oid: z.string(),
  lfs: z.looseObject({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.number() }).nullish(),
})
const WhoAmI = z.looseObject({
  name: z.string(),
  auth: z.looseObject({ accessToken: z.looseObject({ role: z.string() }).nullish() }).nullish(),
})

/** So many redirects within the hub itself are followed. */
const mostHops = 3

/**
 * The model hub, as far as a base is read from it. A token goes to the hub's own address alone: to where it redirects, never.
 * Everything throws AppError: `unauthorized` (`hub_token_over`), `not-allowed` (`hub_licence`, `hub_token_narrow`), `not-found`,
 * `unavailable`.
 */
export function hubClient({ baseUrl, timeoutMs }: HubClientOptions) {
  const { send, isHubs } = hubSend({ baseUrl, timeoutMs }, statusFailure)

  /** The hub's answer for a file, or the address elsewhere to which it points. */
  async function resolve(token: string, id: string, revision: string, name: string) {
    const doing = `looking for ${name} of ${id}`
    let url = `${baseUrl}/${id}/resolve/${revision}/${encodeURI(name)}`
    for (let hop = 0; hop <= mostHops; hop += 1) {
      const headers = { authorization: `Bearer ${token}` }
      const response = await send(url, { headers }, doing, id)
      if (response.ok) return { response, doing }
      await response.body?.cancel()
      const location = URL.parse(response.headers.get('location') ?? '', url)
      if (!location) throw garbledAnswer(doing)
      if (!isHubs(location.href)) return { address: location.href, doing }
      url = location.href
    }
    throw garbledAnswer(doing)
  }

  return {
    /** Whose token this is, and what it may do in the hub's own word. */
    async whoIs(token: string): Promise<{ name: string; role: string }> {
      const doing = 'asking whose token it is'
      const { whoAmI } = await import('@huggingface/hub')
      const carry = (url: unknown, init: RequestInit = {}) => send(String(url), init, doing)
      const answer = await whoAmI({ hubUrl: baseUrl, accessToken: token, fetch: carry }).catch(
        (error: unknown) => {
          throw networkFailure(error, doing)
        },
      )
      const me = WhoAmI.safeParse(answer)
      if (!me.success) throw garbledAnswer(doing, me.error)
      return { name: me.data.name, role: me.data.auth?.accessToken?.role ?? 'unknown' }
    },
    /** Every file of a commit, those in folders too. */
    async files(token: string, id: string, revision: string): Promise<HubFile[]> {
      const doing = `listing the files of ${id}`
      const { listFiles } = await import('@huggingface/hub')
      const carry = (url: unknown, init: RequestInit = {}) => send(String(url), init, doing, id)
      const repo = { type: 'model', name: id } as const
      const more = { hubUrl: baseUrl, accessToken: token, fetch: carry, recursive: true }
      const listed = await Array.fromAsync(listFiles({ repo, revision, ...more })).catch(
        (error: unknown) => {
          throw networkFailure(error, doing)
        },
      )
      const entries = z.array(Entry).safeParse(listed)
      if (!entries.success) throw garbledAnswer(doing, entries.error)
      return entries.data
        .filter(({ type }) => type === 'file')
        .map(({ path, size, oid, lfs }) => ({
          name: path,
          bytes: lfs?.size ?? size,
          oid,
          sha256: lfs?.oid ?? null,
        }))
    },
    /** An address that gives out this one file by itself, by range too, for about an hour. */
    async address(token: string, id: string, revision: string, name: string): Promise<string> {
      const found = await resolve(token, id, revision, name)
      if ('address' in found) return found.address
      await found.response.body?.cancel()
      throw garbledAnswer(found.doing)
    },
    /** The bytes of a file that lies in the repository itself. @throws also when there are more than `most` */
    async bytes(token: string, id: string, revision: string, name: string, most: number) {
      const found = await resolve(token, id, revision, name)
      if ('address' in found) throw garbledAnswer(found.doing)
      const parts: Uint8Array[] = []
      let bytes = 0
      try {
        for await (const part of found.response.body ?? []) {
          bytes += part.byteLength
          if (bytes > most) throw garbledAnswer(found.doing)
          parts.push(part)
        }
      } catch (error) {
        throw networkFailure(error, found.doing)
      }
      return Buffer.concat(parts)
    },
  }
}

export type HubClient = ReturnType<typeof hubClient>
