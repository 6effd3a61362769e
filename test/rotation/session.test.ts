import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sessionName } from '../../src/rotation/session.ts'
import { answerTo } from '../../src/rotation/session-gate.ts'
import { runOf, sessionOf, start } from '../store/fixture.ts'

describe('the name of a session at its provider', () => {
  it.each([
    ['run_0123456789abcdef', 'sample', 2, 'rodizio-sample-abcdef-g2'],
    [
      'run_0123456789abcdef',
      'My First Run, and the last',
      1,
      'rodizio-my-first-run-and-the-abcdef-g1',
    ],
    ['run_0123456789abcdef', 'avó', 1, 'rodizio-avo-abcdef-g1'],
    ['run_0123456789abcdef', '日本', 1, 'rodizio-abcdef-g1'],
    ['run_0123456789abcdef', '--..--', 1, 'rodizio-abcdef-g1'],
  ])('of %s %s, generation %i, is %s', (id, name, generation, expected) => {
    expect(sessionName(id, name, generation)).toBe(expected)
  })

  it('is at most 45 characters of a to z, digits and single hyphens inside, another for each generation', () => {
    const names = fc.string({ unit: 'grapheme', maxLength: 60 })
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 99_999 }), (name, generation) => {
        const made = sessionName('run_0123456789abcdef', name, generation)
        expect(made).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
        expect(made.length).toBeLessThanOrEqual(45)
        expect(made).not.toBe(sessionName('run_0123456789abcdef', name, generation + 1))
      }),
    )
  })
})

describe('what a session is told', () => {
  const now = new Date('2026-03-10T12:30:00.000Z')
  it.each([
    ['go on', runOf('one', { generation: 1 }), true, 'continue', 1800, null],
    [
      'stop, when the run was asked to',
      runOf('one', { generation: 1, stopAsked: true }),
      true,
      'stop',
      1800,
      'the run was asked to stop',
    ],
    [
      'fenced, when another generation has the run',
      runOf('one', { generation: 2 }),
      false,
      'fenced',
      0,
      'generation 2 has the run now',
    ],
    [
      'fenced, when it has ended',
      runOf('one', { generation: 1 }),
      false,
      'fenced',
      0,
      'the session has ended: lost in the night',
    ],
  ] as const)('%s', (_why, run, current, order, secondsLeft, reason) => {
    const session = sessionOf({ reason: 'lost in the night' })
    const answer = answerTo(session, run, current, now)
    expect(answer).toEqual({ order, secondsLeft, heartbeatSeconds: 60, reason })
  })

  it('never less than zero seconds left, and all planned ones before the launch is known', () => {
    const run = runOf('one', { generation: 1 })
    const late = new Date('2026-03-10T14:00:00Z')
    expect(answerTo(sessionOf(), run, true, late).secondsLeft).toBe(0)
    const unsent = sessionOf({ deadlineAt: null })
    expect(answerTo(unsent, run, true, new Date(start)).secondsLeft).toBe(3600)
  })
})
