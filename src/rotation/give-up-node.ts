import { perform } from './perform.ts'
import { surroundings } from './surroundings.ts'
import type { TickPorts } from './tick-ports.ts'

/**
 * Ends the session of a node that is gone for good and has its machine stopped where that is possible; the next `tick` begins
 * what takes its place. False when there was nothing to end.
 */
export async function giveUpNode(
  ports: TickPorts,
  sessionId: string,
  reason: string,
): Promise<boolean> {
  const { done, effects } = await ports.store.apply({ kind: 'node-lost', sessionId, reason })
  if (effects.length > 0)
    await perform(ports, surroundings(ports, await ports.store.accounts()), effects)
  return done
}
