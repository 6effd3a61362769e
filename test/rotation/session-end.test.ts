import { describe, expect, it } from 'vitest'
import { afterSession, type Failure } from '../../src/rotation/session-end.ts'
import { endOf, runOf, sessionOf } from '../store/fixture.ts'

const failure = (name: Failure['class']): Failure => ({
  class: name,
  message: `it was ${name}`,
  line: null,
})
const failed = (name: Failure['class']) => endOf('failed', { failure: failure(name) })
const fresh = {}
const stopAsked = { stopAsked: true }

describe('what becomes of a run when a session ends', () => {
  it.each([
    // why, the run, how the session ended, progressed, artifact → state, failures
    ['finished, everything committed', fresh, endOf('finished'), true, true, 'completed', 0],
    ['the artifact stands, however it ended', fresh, endOf('lost'), false, true, 'completed', 0],
    [
      'stop asked, but the artifact stands',
      stopAsked,
      endOf('cancelled'),
      true,
      true,
      'completed',
      0,
    ],
    ['limit with progress', { failures: 3 }, endOf('limit'), true, false, 'training', 0],
    ['limit without progress', fresh, endOf('limit'), false, false, 'training', 1],
    ['preempted with progress', { failures: 1 }, endOf('preempted'), true, false, 'training', 0],
    ['preempted without progress', fresh, endOf('preempted'), false, false, 'training', 1],
    ['lost', fresh, endOf('lost'), false, false, 'training', 1],
    ['lost for the fifth time in a row', { failures: 4 }, endOf('lost'), false, false, 'failed', 5],
    ['lost for the fourth time', { failures: 3 }, endOf('lost'), false, false, 'training', 4],
    ['budget', fresh, endOf('budget'), true, false, 'training', 0],
    ['superseded', fresh, endOf('superseded'), true, false, 'training', 0],
    ['expired', fresh, endOf('expired'), false, false, 'training', 0],
    ['cancelled says nothing', { failures: 1 }, endOf('cancelled'), false, false, 'training', 1],
    ['cancelled after a stop', stopAsked, endOf('cancelled'), false, false, 'stopped', 0],
    ['lost after a stop', stopAsked, endOf('lost'), false, false, 'stopped', 1],
    ['a notebook bug once', fresh, failed('notebook_bug'), false, false, 'training', 1],
    ['a notebook bug twice', { failures: 1 }, failed('notebook_bug'), false, false, 'failed', 2],
    [
      'a notebook bug after progress',
      { failures: 1 },
      failed('notebook_bug'),
      true,
      false,
      'training',
      0,
    ],
    ['bad data at once', fresh, failed('bad_dataset'), false, false, 'failed', 1],
    ['bad data, even with progress', fresh, failed('bad_dataset'), true, false, 'failed', 0],
    ['a refused plan at once', fresh, failed('refused_plan'), false, false, 'failed', 1],
    ['out of memory once', fresh, failed('out_of_memory'), false, false, 'training', 1],
    ['out of memory twice', { failures: 1 }, failed('out_of_memory'), false, false, 'failed', 2],
    ['no GPU twice: elsewhere', { failures: 1 }, failed('no_gpu'), false, false, 'training', 2],
    ['no GPU five times', { failures: 4 }, failed('no_gpu'), false, false, 'failed', 5],
    ['a damaged checkpoint', fresh, failed('damaged_checkpoint'), false, false, 'training', 1],
  ] as const)('%s', (_why, run, end, progressed, artifact, state, failures) => {
    const change = afterSession(runOf('one', run), sessionOf(), end, progressed, artifact)
    expect(change).toMatchObject({ state, failures })
    if (state !== 'failed') expect(change.failure).toBeNull()
  })

  describe('out of memory with so many rows at once', () => {
    const out = (rowsAtOnce: number | null) =>
      endOf('failed', { failure: { ...failure('out_of_memory'), rowsAtOnce } })
    const changeOf = (run: ReturnType<typeof runOf>, rows: number | null) =>
      afterSession(run, sessionOf(), out(rows), false, false)
    const before = runOf('one', { failures: 1 })

    it.each([
      [8, 4],
      [5, 2],
      [2, 1],
    ])('%d: goes on with %d, whatever came before', (rows, half) => {
      const change = changeOf(before, rows)
      expect(change).toMatchObject({ state: 'training', failures: 2, failure: null })
      expect(change.options).toEqual({ ...before.options, rowsAtOnce: half })
    })

    it.each([1, null])('%s: there is nothing to halve', (rows) => {
      expect(changeOf(before, rows).state).toBe('failed')
      expect(changeOf(runOf('one'), rows)).not.toHaveProperty('options')
    })

    it('is tried once', () => {
      const halved = runOf('one', { failures: 1, options: { ...before.options, rowsAtOnce: 4 } })
      expect(changeOf(halved, 4).state).toBe('failed')
    })

    it('goes on no longer than any other run without a new checkpoint', () => {
      expect(changeOf(runOf('one', { failures: 4 }), 8).state).toBe('failed')
    })
  })

  it('says which session gave up, why, after how many, and the end of its log', () => {
    const logTail = Array.from({ length: 20 }, (_, line) => `line ${line}`).join('\n')
    const end = endOf('failed', { failure: failure('notebook_bug'), logTail })
    const session = sessionOf({ generation: 4 })
    const { failure: told } = afterSession(
      runOf('one', { failures: 1 }),
      session,
      end,
      false,
      false,
    )
    expect(told).toContain('it was notebook_bug (2 sessions in a row without a new checkpoint)')
    expect(told).toContain('session 4')
    expect(told).toContain('line 19')
    expect(told).not.toContain('line 11\n')
  })

  it('passes on what a failed data set said, without counting sessions', () => {
    const end = endOf('failed', {
      failure: { class: 'bad_dataset', message: 'line 12: no roles', line: 12 },
    })
    const { failure: told } = afterSession(runOf('one'), sessionOf(), end, false, false)
    expect(told).toBe('line 12: no roles; session 1')
  })
})
