import { expect, it } from 'vitest'
import { sessionNotebook } from '../../src/control/session-notebook.ts'
import { planFor } from '../../src/notebooks/plan.ts'
import { sourcesOf, templates } from '../notebooks/fixtures.ts'
import { runOf, sessionOf } from '../store/fixture.ts'

it('a session’s notebook tells in its first cell what its own data and time make of the figures', () => {
  const facts = { targetSteps: 100, seed: 7, dataSha256: '0'.repeat(64) }
  const run = runOf('one', { engine: 'trl', plan: planFor('trl', {}, facts) })
  const way = { controlUrl: 'https://rodizio.example', ticket: 'rzt_x' }
  const train = { rows: 10, bytes: 10 * (80 + 700) }
  const text = sessionNotebook(run, sessionOf({ plannedSeconds: 1800 }), way, train, templates)
  const header = sourcesOf(text)[0]?.source
  expect(header).toContain('200 tokens a row, assumed from 700 bytes of text')
  // 100 × 32 × 200 tokens at 150 a second, in sessions that lose 5 of their 30 minutes to their start
  expect(header).toContain('| Hours | 1.2 h for 100 steps')
  expect(header).toContain('| Sessions | 3 of 30 min')
})
