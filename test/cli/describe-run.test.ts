import { describe, expect, it } from 'vitest'
import type { Run, StartedRun } from '../../src/api/schemas.ts'
import { describeRun, describeStart } from '../../src/cli/describe-run.ts'

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

it('a smoke run is shown as one, and no other run is', () => {
  const { sessions: _sessions, ...summary } = started
  const run: Run = {
    ...summary,
    plan: {},
    options: { smoke: true },
    loss: null,
    losses: [],
    sessions: [],
    checkpoints: [],
    artifact: null,
  }
  expect(describeRun(run)).toContain('a smoke run')
  expect(describeRun({ ...run, options: { smoke: false } })).not.toContain('smoke')
})
