import { createHmac } from 'node:crypto'
import { addSeconds } from '../../lib/clock.ts'
import { sameSecret } from '../../lib/random.ts'
import type { StateFile } from './state.ts'
import { HubError } from './wire.ts'

export interface SignedOptions {
  readonly file: StateFile
  readonly seconds: number
  readonly now: () => Date
  readonly port: () => number
}

/** Addresses that are themselves the right to fetch or send one file, for a while. */
export function createSigned({ file, seconds, now, port }: SignedOptions) {
  const signature = (path: string, expires: string): string =>
    createHmac('sha256', file.state.signingKey).update(`${path} ${expires}`).digest('hex')

  /** On another host name than the hub's own, so that no client sends its token along. */
  function sign(path: string): string {
    const expires = String(Math.floor(addSeconds(now(), seconds).getTime() / 1000))
    return `http://localhost:${port()}${path}?Expires=${expires}&Signature=${signature(path, expires)}`
  }

  return {
    address: (id: string, revision: string, name: string): string =>
      sign(`/_signed/${id}/${revision}/${name.split('/').map(encodeURIComponent).join('/')}`),
    /** Where a large file goes: whole as part 0, or one part of it. */
    upload: (id: string, sha256: string, bytes: number, part: number): string =>
      sign(`/_upload/${id}/${sha256}/${bytes}-${part}`),
    /** @throws HubError 403 for an address that is over or was never signed */
    check(path: string, query: URLSearchParams): void {
      const expires = query.get('Expires') ?? ''
      if (!sameSecret(query.get('Signature') ?? '', signature(path, expires)))
        throw new HubError(403, 'SignatureDoesNotMatch')
      if (Number(expires) * 1000 <= now().getTime())
        throw new HubError(403, 'AccessDenied: Request has expired')
    },
  }
}

export type Signed = ReturnType<typeof createSigned>
