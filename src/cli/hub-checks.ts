import type { RodizioClient } from '../api/client.ts'
import { messageOf } from '../lib/errors.ts'
import { bad, type Check, good } from './check.ts'

/** Whether gated bases can be fetched. None is needed for the default base: without a token that is said, not held against anybody. */
export async function hubToken(client: Pick<RodizioClient, 'hubStatus'>): Promise<Check> {
  const fix = 'Give another one with: rodizio login hub'
  try {
    const { state, hub, user, role } = await client.hubStatus()
    if (state === 'none')
      return good('hub token', `none for ${hub}: needed for gated bases alone (rodizio login hub)`)
    return state === 'good'
      ? good('hub token', `${user}'s (${role}), for ${hub}`)
      : bad('hub token', `${hub} takes the token of ${user} no longer`, fix)
  } catch (error) {
    return bad('hub token', messageOf(error), fix)
  }
}
