import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bytes, seconds, sentence } from '../../src/cli/narrate.ts'

describe('what happened, in a sentence', () => {
  it.each([
    [
      'run.started',
      { run: 'r', targetSteps: 44, engine: 'trl', base: '/base', quantization: 'nf4' },
      'run r: 44 steps with the engine trl, base /base in 4 bit (nf4)',
    ],
    [
      'run.started',
      { run: 'r', targetSteps: 44, engine: 'dry' },
      'run r: 44 steps with the engine dry',
    ],
    [
      'account.adjusted',
      { account: 'ana', provider: 'kaggle', hours: -2.5, note: 'by hand', leftHours: 26 },
      'the book of ana (kaggle) was charged 2.50 h by hand (by hand): 26.00 h left of this week',
    ],
    [
      'account.adjusted',
      { account: 'ana', provider: 'kaggle', emulated: true, hours: 1, note: null, leftHours: 27 },
      'the book of ana (kaggle, emulated) was given 1.00 h by hand: 27.00 h left of this week',
    ],
    [
      'account.removed',
      { account: 'ana', provider: 'kaggle', owner: 'Ana', emulated: false },
      'account ana (kaggle), lent by Ana, leaves the rotation; its credentials are deleted',
    ],
    [
      'run.removed',
      { run: 'r', sessions: 1 },
      'run r is removed, with 1 session; the hours they took stay in the books',
    ],
    ['data.removed', { name: 'd', bytes: 2000 }, 'data set d is removed, 2 kB'],
    [
      'data.removed',
      { name: 'd', bytes: 0 },
      'data set d is removed: the name alone, its content has another',
    ],
    [
      'standing.opened',
      { standing: 'weekly', run: 'weekly-1', because: 'first', newExamples: 100 },
      'standing run weekly opens weekly-1: its first',
    ],
    [
      'standing.opened',
      { standing: 'weekly', run: 'weekly-2', because: 'period', newExamples: 0 },
      'standing run weekly opens weekly-2: its period is over',
    ],
    [
      'standing.opened',
      { standing: 'weekly', run: 'weekly-3', because: 'examples', newExamples: 52 },
      'standing run weekly opens weekly-3: 52 new training examples',
    ],
    [
      'standing.waiting',
      { standing: 'weekly', why: 'there is no data set pira any more' },
      'standing run weekly waits: there is no data set pira any more',
    ],
    [
      'standing.stopped',
      { standing: 'weekly', why: 'it was asked to', asked: true },
      'standing run weekly is stopped, as asked; it opens no run any more',
    ],
    [
      'standing.stopped',
      { standing: 'weekly', why: '3 runs in a row have failed', asked: false },
      'standing run weekly is stopped: 3 runs in a row have failed; it opens no run any more',
    ],
    [
      'standing.removed',
      { standing: 'weekly', runs: 2 },
      'standing run weekly is removed; the runs that it has opened stay',
    ],
    ['store.cleaned', { files: 2, bytes: 10 }, 'the store was cleaned: 2 left-over files, 10 B'],
    [
      'session.planned',
      {
        generation: 1,
        account: 'ana',
        provider: 'kaggle',
        emulated: true,
        seconds: 20,
        fromStep: 0,
      },
      'session 1 goes to ana (kaggle, emulated), 20 s booked, from the beginning',
    ],
    [
      'session.planned',
      {
        generation: 2,
        account: 'local',
        provider: 'local',
        emulated: false,
        seconds: 32_400,
        fromStep: 40,
      },
      'session 2 goes to local (local), 9.0 h booked, from step 40',
    ],
    [
      'session.ended',
      {
        generation: 2,
        outcome: 'preempted',
        reason: 'killed',
        toStep: 61,
        checkpointStep: 60,
        lostSteps: 1,
        staged: true,
      },
      'session 2 ended (preempted): killed; reached step 61, checkpoint at 60, 1 steps to be redone (staged: the emulator was told to kill it in mid-step)',
    ],
    [
      'session.ended',
      {
        generation: 3,
        outcome: 'limit',
        reason: 'its time',
        toStep: 80,
        checkpointStep: 80,
        lostSteps: 0,
        staged: false,
      },
      'session 3 ended (limit): its time; reached step 80, checkpoint at 80',
    ],
    [
      'session.ended',
      { generation: 3, outcome: 'limit', reason: 'its time', toStep: 0, serves: true },
      'session 3 ended (limit): its time',
    ],
    [
      'node.ready',
      { generation: 3, account: 'ana', url: 'https://one.example', secondsToReady: 300 },
      'session 3 on ana answers at https://one.example, 5 min after its launch',
    ],
    [
      'node.ready',
      { generation: 3, account: 'ana', url: null, secondsToReady: null },
      'session 3 on ana answers, on its own machine alone',
    ],
    [
      'node.moved',
      { generation: 3, account: 'ana', url: 'https://two.example' },
      'session 3 on ana has moved and answers at https://two.example',
    ],
    [
      'node.restart_asked',
      { generation: 3, account: 'ana', reason: 'it did not answer within 5 s' },
      'session 3 on ana is told to start its server anew: it did not answer within 5 s',
    ],
    [
      'node.restarted',
      { generation: 3, account: 'ana', restarts: 2 },
      'session 3 on ana starts its server anew',
    ],
    [
      'checkpoint.committed',
      { step: 40, targetSteps: 100, bytes: 12_345, loss: 2.34567, heldOutLoss: 2.5 },
      'checkpoint at step 40 of 100: 12 kB, loss 2.346, held-out 2.500',
    ],
    [
      'checkpoint.committed',
      { step: 40, targetSteps: 100, bytes: 12 },
      'checkpoint at step 40 of 100: 12 B',
    ],
    ['run.failed', { run: 'one', failure: 'line 7' }, 'run one failed: line 7'],
    [
      'session.taken_over',
      { before: 2, generation: 3, step: 40, lostSteps: 7 },
      'session 2 was started again and goes on as 3 from step 40; its older process is shut out, 7 steps to be redone',
    ],
    ['zombie.fenced', { generation: 1 }, 'an old session 1 called in and was fenced off'],
    ['tomorrow.invented', { a: 1 }, 'tomorrow.invented {"a":1}'],
  ])('%s', (kind, data, text) => {
    expect(sentence({ kind, data })).toBe(text)
  })

  it('lets no terminal escapes through', () => {
    const told = sentence({
      kind: 'run.failed',
      data: { run: '\u001b[2Jx', failure: 'a\u0007\u009bb' },
    })
    expect(told).toBe('run [2Jx failed: ab')
  })

  it('exists for every kind of event', () => {
    const source = readFileSync(new URL('../../src/rotation/event.ts', import.meta.url), 'utf8')
    const kinds = [...source.matchAll(/\| '([a-z._]+)'/g)].map((match) => match[1] ?? '')
    expect(kinds.length).toBeGreaterThan(15)
    for (const kind of kinds) expect(sentence({ kind, data: {} }), kind).not.toContain('{')
  })
})

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [1_500_000, '1.5 MB'],
])('%i bytes are %s', (value, text) => {
  expect(bytes(value)).toBe(text)
})

it.each([
  [0, '0 s'],
  [119.4, '119 s'],
  [120, '2 min'],
  [7199, '120 min'],
  [7200, '2.0 h'],
])('%d seconds are %s', (value, text) => {
  expect(seconds(value)).toBe(text)
})
