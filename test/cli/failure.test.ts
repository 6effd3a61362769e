import { describe, expect, it } from 'vitest'
import { failure } from '../../src/cli/failure.ts'
import { AppError, type ErrorKind } from '../../src/lib/errors.ts'

describe('a failure as a person meets it', () => {
  it.each([
    ['invalid', 2],
    ['not-found', 3],
    ['not-allowed', 4],
    ['unauthorized', 4],
    ['unavailable', 5],
    ['conflict', 1],
    ['disk-full', 1],
    ['internal', 1],
  ] as [ErrorKind, number][])('of kind %s ends with %i', (kind, exitCode) => {
    expect(failure(new AppError(kind, 'it happened'), {}).exitCode).toBe(exitCode)
  })

  it.each(['dataset_empty', 'dataset_rejected', 'notebook_problems'])(
    'with the content of a file (%s) is no misuse of the command',
    (code) => {
      expect(failure(new AppError('invalid', 'bad', { code }), {}).exitCode).toBe(1)
    },
  )

  it('says what happened, its code, and what to do, a line each', () => {
    const error = new AppError('not-found', 'there is no run x', {
      code: 'run_unknown',
      next: 'Look',
    })
    expect(failure(error, {}).text).toBe('rodizio: there is no run x (run_unknown)\n  Look')
    expect(failure(new AppError('invalid', 'no'), {}).text).toBe('rodizio: no')
  })

  it('is one JSON object for machines', () => {
    const error = new AppError('conflict', 'taken', { code: 'port_taken', next: 'Move' })
    expect(JSON.parse(failure(error, { json: true }).text)).toEqual({
      error: { code: 'port_taken', message: 'taken', next: 'Move' },
    })
    expect(JSON.parse(failure(new Error('x'), { json: true }).text)).toEqual({
      error: { code: 'internal', message: 'x' },
    })
  })

  it('that nobody expected says so, and shows its stack only when asked', () => {
    const defect = new TypeError('x is not a function')
    expect(failure(defect, {}).text).toContain('--verbose')
    expect(failure(defect, {}).text).not.toContain('failure.test.ts')
    expect(failure(defect, { verbose: true }).text).toContain('failure.test.ts')
    expect(failure('a word', {})).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('a word'),
    })
  })
})
