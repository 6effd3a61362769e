import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import {
  endLeftTunnel,
  openTunnel,
  type Tunnel,
  type TunnelNews,
} from '../providers/cloudflared/tunnel.ts'

export interface AddressOptions {
  readonly config: Config
  readonly withTunnel: boolean
  readonly path: string
  readonly clock: Clock
  readonly told: (news: TunnelNews) => void
  /** Fires when the tunnel is not waited for any longer. */
  readonly stop: AbortSignal
}

/** Where sessions reach this service: under its public address as configured, through a tunnel, or on this machine alone. */
export function serviceAddress({ config, withTunnel, ...options }: AddressOptions) {
  const fixed = config.RODIZIO_PUBLIC_URL
  // Known once the service listens; no session can ask before.
  let own = ''
  let tunnel: Tunnel | undefined
  return {
    isPublic: withTunnel || fixed !== undefined,
    /** Where it can be reached from elsewhere now. */
    public: (): string | undefined => fixed ?? tunnel?.address(),
    /** Where it is reached from elsewhere, and where from nowhere else, on this machine. */
    shown: (): string => fixed ?? tunnel?.address() ?? own,
    /**
     * To be called once the service listens.
     * @throws AppError as `openTunnel`
     */
    async open(url: string): Promise<void> {
      own = url
      const folder = join(config.RODIZIO_DATA_DIR, 'tunnel')
      endLeftTunnel(folder)
      if (withTunnel) tunnel = await openTunnel({ ...options, target: url, folder })
    },
    /** @throws AppError `unavailable` (`no_address`) while the tunnel is being made anew */
    forNotebook(provider: string): string {
      if (!withTunnel) return fixed ?? own
      // Its address changes, and the way round the world is long: sessions on this machine do without.
      if (provider === 'local') return own
      const address = tunnel?.address()
      if (address !== undefined) return address
      throw new AppError('unavailable', 'the tunnel is being made anew', { code: 'no_address' })
    },
    /** Behind a tunnel URLs are relative: to whatever address the session itself calls. */
    forTransfers: (): string => (withTunnel ? '' : (fixed ?? own)),
    close: async () => tunnel?.close(),
  }
}

/** What became of the tunnel, in a sentence. */
export const inWords = (news: TunnelNews): string =>
  news.kind === 'up'
    ? `the tunnel is open again, at ${news.address}; sessions that know the old address find no way back`
    : `the tunnel is lost (${news.why}); the next try is in ${Math.ceil(news.againInMs / 1000)} s, and nothing is started elsewhere before`
