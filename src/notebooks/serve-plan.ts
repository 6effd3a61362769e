import { z } from 'zod'
import { Sha256 } from './adapter.ts'
import type { NotebookProvider } from './notebook-provider.ts'

/**
 * How the model of a session is reached: `relay` through the service, which the session calls; `tunnel` by an address on the open
 * net (a quick tunnel of Cloudflare); `local` from the session's own machine alone.
 */
export const Reach = z.enum(['relay', 'tunnel', 'local'])
export type Reach = z.infer<typeof Reach>

/** How a session at that provider is reached under a plan: elsewhere by the relay, on this machine without it, unless the plan says so. */
export const reachAt = ({ reach }: Pick<ServePlan, 'reach'>, provider: NotebookProvider): Reach =>
  reach ?? (provider === 'local' ? 'local' : 'relay')

const Parts = z.strictObject({
  engine: z.literal('serve'),
  adapter: Sha256, // of its manifest.json
  base: z.string(),
  revision: z.string(),
  quantization: z.string(),
  keySha256: Sha256, // of the bearer key, which is kept nowhere
  /** Null: as is usual where the session runs. */
  reach: Reach.nullable(),
  maxTokens: z.int().min(16).max(8192),
})
/** What the sessions of a serving policy put up: an adapter on its base, behind a key, and how it is reached. */
export const ServePlan = z.preprocess(ofOldForm, Parts)
export type ServePlan = z.infer<typeof ServePlan>

/** Plans that were stored before there was a relay say `tunnel`; without one they meant what is usual. */
function ofOldForm(plan: unknown): unknown {
  if (typeof plan !== 'object' || plan === null || !('tunnel' in plan)) return plan
  const { tunnel, ...rest } = plan
  const known = tunnel === 'cloudflared' ? 'tunnel' : tunnel === '' ? null : undefined
  return known === undefined ? plan : { reach: known, ...rest }
}
