import { describe, expect, it } from 'vitest'
import { sessionNotebook } from '../../src/control/session-notebook.ts'
import { planFor } from '../../src/notebooks/plan.ts'
import { sourcesOf, templates } from '../notebooks/fixtures.ts'
import { accountOf, runOf, sessionOf } from '../store/fixture.ts'

const facts = { targetSteps: 100, seed: 7, dataSha256: '0'.repeat(64) }
const run = runOf('one', { engine: 'trl', plan: planFor('trl', {}, facts) })
const way = { controlUrl: 'https://rodizio.example', ticket: 'rzt_x' }

it('a session’s notebook tells in its first cell what its own data and time make of the figures', () => {
  const train = { rows: 10, bytes: 10 * (80 + 700) }
  const text = sessionNotebook(
    run,
    sessionOf({ plannedSeconds: 1800 }),
    accountOf('ana'),
    way,
    train,
    templates,
  )
  const header = sourcesOf(text)[0]?.source
  expect(header).toContain('200 tokens a row, assumed from 700 bytes of text')
  // 100 × 32 × 200 tokens at 150 a second, in sessions that lose 5 of their 30 minutes to their start
  expect(header).toContain('| Hours | 1.2 h for 100 steps')
  expect(header).toContain('| Sessions | 3 of 30 min')
})

describe('a session’s notebook asks for a GPU', () => {
  it.each([
    ['kaggle', false, 'True', 'Without a GPU it ends at once.'],
    ['colab', false, 'True', 'Without a GPU it ends at once.'],
    ['kaggle', true, 'False', 'Without a GPU it trains on the CPU'],
    ['colab', true, 'False', 'Without a GPU it trains on the CPU'],
    ['local', false, 'False', 'Without a GPU it trains on the CPU'],
  ] as const)('at %s, emulated %s: %s', (provider, emulated, required, told) => {
    const account = accountOf('ana', { provider, emulated })
    const train = { rows: 10, bytes: 1000 }
    const session = sessionOf({ provider })
    const cells = sourcesOf(sessionNotebook(run, session, account, way, train, templates))
    const parameters = cells.find(({ tags }) => tags.includes('parameters'))?.source
    expect(parameters).toMatch(new RegExp(`^REQUIRE_GPU = ${required}\\b`, 'm'))
    expect(cells[0]?.source).toContain(told)
  })
})
