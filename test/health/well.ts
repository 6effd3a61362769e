import type { Seen } from '../../src/health/probe.ts'

/** What a node that is well answers. */
export const well: Extract<Seen, { kind: 'answered' }> = {
  kind: 'answered',
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '{"status":"ok"}',
  isCut: false,
  ms: 20,
  certificateEndsAt: null,
}
