import { expect, it } from 'vitest'
import type { Policy } from '../../src/api/serving-schemas.ts'
import { describePolicy } from '../../src/cli/describe-policy.ts'

const sessionOf = (generation: number, node: Policy['recent'][number]['node']) =>
  ({
    run: 'house',
    generation,
    account: `acc-${generation}`,
    provider: 'local',
    state: 'running',
    node,
  }) as Policy['recent'][number] // what the table asks for beside it may be missing
const policyOf = (recent: Policy['recent']) =>
  ({
    id: 'run_1',
    name: 'house',
    state: 'open',
    adapter: { sha256: 'a'.repeat(64), run: 'support' },
    base: 'tiny',
    quantization: 'none',
    windows: 'always',
    overlapSeconds: 900,
    sessionSeconds: null,
    maxTokens: 64,
    reach: null,
    address: 'https://one.example/v1/nodes/nights/openai/v1',
    live: recent.length,
    waiting: null,
    recent,
    outlook: null,
  }) as unknown as Policy // the rest is not told here

it('a policy tells where its nodes answer, and of those that are not up nothing', () => {
  const readyAt = '2026-03-10T12:05:00.000Z'
  const adapter = 'a'.repeat(64)
  const told = describePolicy(
    policyOf([
      sessionOf(3, null),
      sessionOf(2, { readyAt, url: 'https://node.example', reach: 'url', adapter, tunnel: 'up' }),
      sessionOf(1, { readyAt, url: null, reach: 'local', adapter, tunnel: null }),
    ]),
    'Europe/Lisbon',
  )
  expect(told).toContain('a node is up on acc-2 since Tue 10 Mar 12:05: https://node.example')
  expect(told).toContain(
    'a node is up on acc-1 since Tue 10 Mar 12:05; it answers to its own machine alone',
  )
  expect(told).toContain('through this service, for the key: https://one.example/v1/nodes/nights/')
  expect(told).not.toContain('a node is up on acc-3')
})
