import type { HubSettings } from './options.ts'
import { HubError } from './wire.ts'

const windowSeconds = 300

/**
 * How many calls a caller has made in this window of five minutes, as the hub counts them: `resolve` by itself, all of `/api` together.
 * Not kept over a restart.
 */
export function createLimits(
  settings: Pick<HubSettings, 'apiCalls' | 'resolverCalls'>,
  now: () => Date,
) {
  const counts = new Map<string, number>()
  let current = 0
  return {
    /** Counts a call; the headers that its answer carries. @throws HubError 429 */
    count(caller: string, kind: 'api' | 'resolvers'): Record<string, string> {
      const seconds = now().getTime() / 1000
      const window = Math.floor(seconds / windowSeconds)
      if (window !== current) counts.clear()
      current = window
      const most = kind === 'api' ? settings.apiCalls : settings.resolverCalls
      const made = (counts.get(`${caller} ${kind}`) ?? 0) + 1
      counts.set(`${caller} ${kind}`, made)
      const leftSeconds = Math.ceil((window + 1) * windowSeconds - seconds)
      const headers = {
        ratelimit: `"${kind}";r=${Math.max(0, most - made)};t=${leftSeconds}`,
        'ratelimit-policy': `"fixed window";"${kind}";q=${most};w=${windowSeconds}`,
      }
      if (made <= most) return headers
      throw new HubError(
        429,
        `We had to rate limit you, you hit the quota of ${most} ${kind} requests per 5 minutes period.`,
        { headers: { ...headers, 'retry-after': String(leftSeconds) } },
      )
    },
    clear: () => counts.clear(),
  }
}

export type Limits = ReturnType<typeof createLimits>
