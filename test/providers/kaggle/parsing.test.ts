import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { authorizationOf, withoutSecrets } from '../../../src/providers/kaggle/credentials.ts'
import { retryAfterSeconds } from '../../../src/providers/kaggle/failures.ts'
import { normalizedNotebook, pushFields } from '../../../src/providers/kaggle/kernel.ts'
import { mayBeRunning, readStatus } from '../../../src/providers/kaggle/status.ts'
import { readRefusal } from '../../../src/rotation/kaggle-refusal.ts'

describe('a status in any spelling', () => {
  it.each([
    ['QUEUED', 'queued'],
    ['queued', 'queued'],
    ['RUNNING', 'running'],
    ['KernelWorkerStatus.RUNNING', 'running'],
    ['kernelworkerstatus.complete', 'complete'],
    ['COMPLETE', 'complete'],
    ['error', 'error'],
    ['ERROR', 'error'],
    ['CANCEL_REQUESTED', 'cancel_requested'],
    ['cancelRequested', 'cancel_requested'],
    ['CANCEL_ACKNOWLEDGED', 'cancelled'],
    ['cancelAcknowledged', 'cancelled'],
    ['CancelAcknowledged', 'cancelled'],
    ['newScript', 'never_ran'],
    ['NEW_SCRIPT', 'never_ran'],
    [undefined, 'queued'],
    [null, 'queued'],
    ['HIBERNATING', 'unknown'],
    ['', 'unknown'],
    ['constructor', 'unknown'],
    ['toString', 'unknown'],
  ] as const)('%s is %s', (text, state) => expect(readStatus(text)).toBe(state))

  it('never crashes, and what it does not know may be running', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof readStatus(text) === 'string'))
    expect(mayBeRunning('unknown')).toBe(true)
    expect(mayBeRunning('complete')).toBe(false)
    expect(mayBeRunning('cancelled')).toBe(false)
  })
})

describe('the error of a push', () => {
  it.each([
    ['Maximum batch GPU session count of 2 reached.', 'slot'],
    ['400 - Bad Request: Maximum batch GPU session count of 4 reached.', 'slot'],
    ['Maximum batch CPU session count of 5 reached.', 'slot'],
    ['Maximum weekly GPU quota of 30.00 hours reached.', 'week'],
    ['Maximum weekly GPU quota of 42.50 hours reached.', 'week'],
    [
      'Session cannot start because currently running sessions are projected to exceed maximum weekly GPU quota of 30. Cancelling running sessions may allow starting new sessions.',
      'projection',
    ],
    ['Notebook not found', 'unknown'],
    ['You must verify your phone number.', 'unknown'],
  ] as const)('%s means %s', (text, reason) => expect(readRefusal(text)).toEqual({ reason, text }))
})

it.each([
  ['7', 7],
  ['1.5', 1.5],
  ['-3', 0],
  ['Sat, 21 Nov 2026 12:01:00 GMT', 60],
  ['Sat, 21 Nov 2026 11:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined],
  [null, undefined],
] as const)('Retry-After %s is %s seconds', (header, seconds) => {
  const clock = { ...systemClock, now: () => new Date('2026-11-21T12:00:00Z') }
  expect(retryAfterSeconds(header, clock)).toBe(seconds)
})

describe('credentials', () => {
  it('go into the header that belongs to them', () => {
    const key = { kind: 'key', username: 'ana', key: 'k3y' } as const
    expect(authorizationOf(key)).toBe(`Basic ${btoa('ana:k3y')}`)
    expect(authorizationOf({ kind: 'token', token: 'KGAT_x' })).toBe('Bearer KGAT_x')
  })

  it.each([
    [{ kind: 'token', token: 'KGAT_planted\n' }],
    [{ kind: 'token', token: '' }],
    [{ kind: 'key', username: 'ana', key: 'planted key' }],
    [{ kind: 'key', username: 'a:b', key: 'planted' }],
  ] as const)('are refused without being repeated: case %#', (credentials) => {
    let thrown: unknown
    try {
      authorizationOf(credentials)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'credentials_malformed' })
    expect(String(thrown)).not.toContain('planted')
  })

  it('are taken out of what others say', () => {
    const key = { kind: 'key', username: 'ana', key: 'planted' } as const
    const told = `key planted, header ${authorizationOf(key)}`
    expect(withoutSecrets(told, key)).toBe('key ***, header Basic ***')
  })
})

describe('a pushed notebook', () => {
  const kernel = {
    userName: 'ana',
    slug: 'a-run-g1',
    title: 'A run g1',
    notebook: '{"cells":[]}',
    enableInternet: true,
    isPrivate: true,
  }

  it('has its outputs emptied and each source as one text', () => {
    const cells = [
      { cell_type: 'code', source: ['a\n', 'b'], outputs: [{ text: 'old' }], metadata: { x: 1 } },
      { cell_type: 'markdown', source: 'text' },
    ]
    const normalized = JSON.parse(normalizedNotebook(JSON.stringify({ cells, nbformat: 4 })))
    expect(normalized).toEqual({
      cells: [
        { cell_type: 'code', source: 'a\nb', outputs: [], metadata: { x: 1 } },
        { cell_type: 'markdown', source: 'text' },
      ],
      nbformat: 4,
    })
    expect(normalizedNotebook(JSON.stringify(normalized))).toBe(JSON.stringify(normalized))
  })

  it.each(['', '{', '[]', '{"cells":1}'])('must be a notebook: %j', (text) => {
    expect(() => normalizedNotebook(text)).toThrow(/not a notebook/)
  })

  it('leaves out what is not set', () => {
    expect(pushFields(kernel)).toEqual({
      slug: 'ana/a-run-g1',
      newTitle: 'A run g1',
      text: '{"cells":[]}',
      language: 'python',
      kernelType: 'notebook',
      isPrivate: true,
      enableGpu: false,
      enableInternet: true,
      enableTpu: false,
    })
    const machineShape = 'NvidiaTeslaT4'
    expect(pushFields({ ...kernel, machineShape, datasetSources: ['ana/rows'] })).toMatchObject({
      enableGpu: true,
      machineShape,
      datasetDataSources: ['ana/rows'],
    })
  })
})
