import type { Policy } from '../../src/control/run-or-policy.ts'
import type { ServingPolicy } from '../../src/rotation/run.ts'
import { runOf } from './fixture.ts'

/** A serving policy that always wants a node. */
export const policyOf = (
  name: string,
  changes: Partial<Policy> & { adapter?: string } = {},
): Policy => {
  const { adapter = 'a'.repeat(64), ...rest } = changes
  const serving: ServingPolicy = { windows: 'always', overlapSeconds: 900 }
  return {
    ...runOf(name, {
      id: `pol_${name}`,
      engine: 'serve',
      datasetVersion: 'none',
      targetSteps: 0,
      plan: {
        engine: 'serve',
        adapter,
        base: 'unsloth/tiny',
        revision: 'c1',
        quantization: 'nf4',
        keySha256: 'b'.repeat(64),
        reach: null,
        maxTokens: 256,
      },
    }),
    serving,
    ...rest,
  }
}
