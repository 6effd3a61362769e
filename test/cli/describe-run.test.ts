import { describe, expect, it } from 'vitest'
import type { Run, RunEvent, StartedRun } from '../../src/api/schemas.ts'
import { describeRun, describeStart, type Told } from '../../src/cli/describe-run.ts'
import { runList } from '../../src/cli/train.ts'

const figure = (text: string, source: string, likely: number | null = 1) => ({
  low: likely,
  likely,
  high: likely,
  unit: 'h',
  text,
  source,
})
const nothing = figure('not known', 'none', null)

const started: StartedRun = {
  id: 'run_1',
  name: 'one',
  engine: 'trl',
  state: 'queued',
  step: 0,
  targetSteps: 5,
  priority: 0,
  sessions: 0,
  waiting: null,
  failure: null,
  datasetVersion: 'ds_one',
  createdAt: '2026-03-10T12:00:00.000Z',
  endedAt: null,
  predictions: {
    uses: 'a base, one GPU',
    memory: figure('8 GB', 'counted'),
    speed: figure('150 tokens/s', 'records'),
    hours: figure('9 h', 'the speed'),
    sessions: nothing,
  },
  warnings: ['it is small', 'it is slow'],
}

describe('a run that is begun', () => {
  it('is told with what to look at next, and with every warning', () => {
    const text = describeStart(started, {})
    expect(text).toContain('Run one (run_1): 5 steps with the engine trl.')
    expect(text).toContain('rodizio train show one')
    expect(text.split('\n').slice(-2)).toEqual(['Warning: it is small', 'Warning: it is slow'])
    expect(describeStart(started, { smoke: true })).toContain('a smoke run in two sessions')
  })

  it('is told in a dry run with every figure, and the source of each that has a number', () => {
    const text = describeStart(started, { dryRun: true })
    expect(text).toMatch(/^Nothing was begun\. It would be 5 steps with the engine trl\.\n\n/)
    expect(text).toMatch(/memory +8 GB\nspeed +150 tokens\/s\nhours +9 h\nsessions +not known\n/)
    expect(text).toContain('From:\n  memory: counted\n  speed: records\n  hours: the speed\n\n')
    expect(text).toContain('\nWarning: it is small\nWarning: it is slow')
  })
})

const run: Run = {
  id: 'run_1',
  name: 'one',
  engine: 'trl',
  state: 'training',
  step: 700,
  targetSteps: 1000,
  priority: 0,
  waiting: null,
  failure: null,
  datasetVersion: 'ds_one',
  createdAt: '2026-11-20T12:00:00.000Z',
  endedAt: null,
  plan: {},
  options: {},
  loss: null,
  losses: [],
  finish: null,
  standing: null,
  sessions: [],
  checkpoints: [],
  artifact: null,
}
const told: Told = { events: [], now: new Date('2026-11-22T14:20:00Z'), zone: 'UTC' }

it('a smoke run is shown as one, and no other run is', () => {
  expect(describeRun({ ...run, options: { smoke: true } }, told)).toContain('a smoke run')
  expect(describeRun({ ...run, options: { smoke: false } }, told)).not.toContain('smoke')
})

it('a run is shown with the day on which it will be done, where that can be said', () => {
  const finish = {
    likely: '2026-11-26T10:00:00.000Z',
    earliest: '2026-11-25T10:00:00.000Z',
    latest: '2026-11-27T10:00:00.000Z',
  }
  const text = describeRun({ ...run, finish }, told)
  expect(text).toContain('\n  done: Thursday 26 November, ± 1 day')
  expect(describeRun(run, told)).not.toContain('done:')
})

it('a run tells which standing run has opened it, its story begins with that', () => {
  const events = [
    {
      id: 1,
      at: '2026-11-20T12:00:00.000Z',
      kind: 'standing.opened',
      runId: 'run_1',
      sessionId: null,
      data: { standing: 'weekly', run: 'weekly-2', because: 'period' },
    },
  ]
  const text = describeRun({ ...run, standing: { name: 'weekly', number: 2 } }, { ...told, events })
  expect(text).toContain('\n  number 2 of the standing run weekly: rodizio train show weekly\n')
  expect(text).toMatch(
    /Story:\n {2}Fri 20 Nov 12:00 {2}opened by the standing run weekly: its period/,
  )
  expect(describeRun(run, told)).not.toContain('standing')
})

it('a priority is shown where it is not that of every run', () => {
  expect(describeRun({ ...run, priority: -3 }, told)).toContain('\n  priority -3')
  expect(describeRun(run, told)).not.toContain('priority')
  const { sessions, ...summary } = started
  const other = { ...summary, sessions, name: 'two', priority: 7 }
  expect(runList([started])).not.toContain('PRIORITY')
  const [header, first, second] = runList([other, started]).split('\n')
  expect(header).toMatch(/PRIORITY$/)
  expect(first).toMatch(/^two .* 7$/)
  expect(second).toMatch(/^one .*12:00$/)
})

describe('the story of a run', () => {
  const session = (changes: Partial<Run['sessions'][number]>): Run['sessions'][number] => ({
    id: 'ses_1',
    runId: 'run_1',
    run: 'one',
    generation: 1,
    account: 'ana',
    provider: 'kaggle',
    emulated: false,
    state: 'ended',
    outcome: 'limit',
    reason: 'its time was over',
    link: null,
    sealed: false,
    serves: false,
    fromStep: 0,
    toStep: 510,
    lastCheckpointStep: 510,
    plannedSeconds: 32_400,
    usedSeconds: 32_040,
    startedAt: '2026-11-20T12:03:00.000Z',
    heardAt: null,
    node: null,
    badBeatAt: null,
    deadlineAt: null,
    endedAt: '2026-11-20T21:00:00.000Z',
    ...changes,
  })
  let ids = 0
  const event = (
    at: string,
    kind: string,
    data: Record<string, unknown> = {},
    sessionId: string | null = null,
  ): RunEvent => {
    ids += 1
    return { id: ids, at: `2026-11-${at}:00.000Z`, kind, runId: 'run_1', sessionId, data }
  }
  const waiting = (at: string, why: string) => event(at, 'run.waiting', { run: 'one', why })
  const sessions = [
    session({}),
    session({
      id: 'ses_2',
      generation: 2,
      account: 'bia',
      emulated: true,
      outcome: 'lost',
      reason: 'three heartbeats were missed',
      fromStep: 510,
      toStep: 690,
      usedSeconds: 10_800,
      startedAt: '2026-11-21T00:00:00.000Z',
    }),
    session({
      id: 'ses_3',
      generation: 3,
      account: 'cris',
      provider: 'colab',
      state: 'awaiting_person',
      outcome: null,
      reason: null,
      link: 'https://example.org/3',
      fromStep: 650,
      toStep: 650,
      usedSeconds: null,
      startedAt: null,
    }),
  ]
  const events = [
    event('20T12:00', 'session.planned', {}, 'ses_1'),
    event('20T21:00', 'session.ended', { lostSteps: 0 }, 'ses_1'),
    waiting('20T21:00', 'bia: busy with another session; next look 2026-11-20T23:00:00.000Z'),
    waiting('20T22:00', 'ana: on hold; next look 2026-11-21T00:00:00.000Z; accounts elsewhere'),
    waiting('20T23:00', 'bia: busy with another session; next look 2026-11-21T00:00:00.000Z'),
    event('21T00:00', 'session.planned', {}, 'ses_2'),
    event('21T02:00', 'session.taken_over', { lostSteps: 5 }, 'ses_2'),
    event('21T03:00', 'session.ended', { lostSteps: 40 }, 'ses_2'),
    event('21T03:00', 'session.planned', {}, 'ses_3'),
  ]

  it('has a line for each session and each wait, in order', () => {
    const text = describeRun({ ...run, sessions: sessions.toReversed() }, { ...told, events })
    expect(text.slice(text.indexOf('Story:'))).toBe(
      [
        'Story:',
        '  Fri 20 Nov 12:03  session 1 on ana (kaggle): 8.9 h, steps 0 to 510; limit: its time was over',
        '  Fri 20 Nov 21:00  waited 3.0 h: bia: busy with another session, then ana: on hold; accounts elsewhere',
        '  Sat 21 Nov 00:00  session 2 on bia (kaggle, emulated): 3.0 h, steps 510 to 690, 45 to be redone; lost: three heartbeats were missed',
        '  Sat 21 Nov 03:00  session 3 on cris (colab): steps 650 to 650; open https://example.org/3 and press Run all',
      ].join('\n'),
    )
  })

  it('tells of a wait that is not over, and until when a live session may last', () => {
    const live = session({
      id: 'ses_9',
      state: 'running',
      outcome: null,
      reason: null,
      usedSeconds: null,
      sealed: true,
      deadlineAt: '2026-11-20T21:03:00.000Z',
    })
    const since = [waiting('22T14:00', 'ana: on hold')]
    const text = describeRun({ ...run, sessions: [live] }, { ...told, events: since })
    expect(text).toContain('running, at most until Fri 20 Nov 21:03, takes no orders')
    expect(text).toContain('  Sun 22 Nov 14:00  has waited 20 min: ana: on hold')
  })

  it('lets no terminal escapes of a log through', () => {
    const since = [waiting('22T14:00', 'bad \u001b[31mred')]
    expect(describeRun(run, { ...told, events: since })).not.toContain('\u001b')
  })
})
