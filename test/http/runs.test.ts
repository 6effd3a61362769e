import { expect, it } from 'vitest'
import { StartedRun } from '../../src/api/schemas.ts'
import { type RunPorts, runRoutes } from '../../src/http/runs.ts'
import { toRunSummary } from '../../src/http/views.ts'
import { runOf } from '../store/fixture.ts'

it('a request that an earlier program has answered gets that answer, without figures and priority', async () => {
  const { priority, ...before } = toRunSummary(runOf('one'), 0)
  const ports = { once: async () => JSON.stringify(before) } as unknown as RunPorts // asks no other
  const response = await runRoutes(ports).request('/v1/runs', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': 'key-of-before' },
    body: JSON.stringify({ dataset: 'one' }),
  })
  const answer = StartedRun.parse(await response.json())
  expect(answer).toEqual({ ...before, priority, predictions: null, warnings: [] })
})
