import type { HubStatus } from '../api/schemas.ts'
import type { Config } from '../config/schema.ts'

/** A token that the settings hold, and under which name; undefined where they hold none. */
export function givenHubToken(config: Config): { token: string; name: string } | undefined {
  for (const name of ['RODIZIO_HUB_TOKEN', 'HF_TOKEN'] as const) {
    const token = config[name]
    if (token !== undefined) return { token, name: `${name} (${config.sources[name]})` }
  }
  return undefined
}

/** What became of a token, for a person. */
export function toldOfHub({ state, hub, user, role }: HubStatus): string {
  if (state === 'none') return `No token for the hub at ${hub} is stored.`
  if (state === 'refused') return `The hub at ${hub} takes the stored token of ${user} no longer.`
  const more =
    role === 'write'
      ? '\n  It may write too: that is used for lines that are published to the hub, and for nothing else.'
      : ''
  return `The hub at ${hub} knows the stored token of ${user} (${role}).${more}`
}
