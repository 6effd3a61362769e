import { describe, expect, it } from 'vitest'
import { type OutlookPorts, runOutlook } from '../../src/control/run-outlook.ts'
import { type Engine, type PlanOverrides, planFor } from '../../src/notebooks/plan.ts'
import type { Account } from '../../src/rotation/account.ts'
import { reserve } from '../../src/rotation/ledger.ts'
import { defaultOptions, type RunOptions, smokeOptions } from '../../src/rotation/run.ts'
import { accountOf, HOUR, runOf, start } from '../store/fixture.ts'

interface Case {
  engine?: Engine
  steps?: number
  plan?: PlanOverrides
  options?: Partial<RunOptions>
  rows?: number
  bytesPerRow?: number
  accounts?: readonly Account[]
  reservedHours?: number
  baseTrouble?: string
  /** Texts of the answers of the training rows. */
  answers?: readonly string[]
}

const line = (answer: string) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: answer },
    ],
  })}\n`

/** A run of 100 steps of 32 on 3200 rows of 100 tokens, on one account with 30 h: nothing speaks against it. */
function outlook(given: Case, lookAtRows = true) {
  const { engine = 'trl', steps = 100, rows = 3200, bytesPerRow = 80 + 350 } = given
  const accounts = given.accounts ?? [accountOf('ana')]
  const hash = '0'.repeat(64)
  const part = { rows, bytes: rows * bytesPerRow, sha256: hash }
  const facts = { targetSteps: steps, seed: 7, dataSha256: hash }
  const ports: OutlookPorts = {
    dataset: async (version) => ({
      name: 'one',
      version,
      importedAt: new Date(start),
      rejected: 0,
      train: part,
      validation: { ...part, rows: 0 },
    }),
    accounts: async () => accounts,
    ledger: async () =>
      accounts
        .slice(0, 1)
        .flatMap((account) =>
          reserve(account, 'ses_x', new Date(start), (given.reservedHours ?? 0) * HOUR),
        ),
    async *readTrain() {
      yield Buffer.from((given.answers ?? ['a']).map(line).join(''))
    },
    baseTrouble: async () => given.baseTrouble ?? null,
    emulated: false,
    now: () => new Date(start),
  }
  const run = runOf('one', {
    engine,
    targetSteps: steps,
    plan: planFor(engine, given.plan ?? {}, facts),
    options: { ...defaultOptions, ...given.options },
  })
  return runOutlook(ports, run, lookAtRows)
}

describe('what speaks against unsloth', () => {
  it('is that it was never executed, and dropout, which is not changed behind anybody’s back', async () => {
    const { warnings, predictions } = await outlook({ engine: 'unsloth' })
    expect(warnings).toEqual([
      expect.stringMatching(/unsloth has never been executed.*--smoke/),
      expect.stringMatching(/the plan has 0\.05: --set loraDropout=0/),
    ])
    // 100 × 32 × 100 tokens at 280 a second
    expect(predictions.hours).toMatchObject({ likely: 0.32, unit: 'h' })
  })

  it('is no dropout where there is none', async () => {
    const { warnings } = await outlook({ engine: 'unsloth', plan: { loraDropout: 0 } })
    expect(warnings).toEqual([expect.stringContaining('never been executed')])
  })
})

describe('what speaks against a run', () => {
  it('is nothing for a plain one, and its figures are those of the table', async () => {
    const { warnings, predictions } = await outlook({})
    expect(warnings).toEqual([])
    // 100 × 32 × 100 tokens at 150 a second
    expect(predictions.hours).toMatchObject({ likely: 0.59, unit: 'h' })
    expect(predictions.sessions.text).toContain('1 of 9 h')
  })

  const manyRows = { rows: 320_000, steps: 10_000 }
  const cases: [string, Case, RegExp][] = [
    ['no account', { accounts: [] }, /no account lends GPU time/],
    [
      'only an account of the emulators',
      { accounts: [accountOf('e', { emulated: true })] },
      /no account/,
    ],
    ['data smaller than a step', { rows: 31, steps: 1 }, /31 training rows, fewer than the 32/],
    [
      'far fewer tokens than its weights want',
      { rows: 800, steps: 25 },
      /some 80,000 tokens for 41,943,040 weights/,
    ],
    ['less than one epoch', { steps: 99 }, /99 steps are less than one epoch: 3168 of 3200/],
    ['more than four epochs', { steps: 401 }, /seen 4\.0 times/],
    [
      'a session without room for a step',
      { options: { sessionSeconds: 420 } },
      /session of 7 min is too short/,
    ],
    [
      'an account’s sessions without room',
      { accounts: [accountOf('ana', { maxSessionSeconds: 60 })] },
      /too short/,
    ],
    ['more hours than a week has', manyRows, /accounts have 30\.0 h left this week/],
    ['hours that are booked already', { reservedHours: 29.9 }, /0\.1 h left this week/],
    [
      'more memory than a T4 has',
      { plan: { batchSize: 8, accumulation: 4 } },
      /more memory than a T4/,
    ],
    ['a base that is not pinned', { plan: { revision: 'main' } }, /at main/],
    [
      'a row that is too long',
      { answers: ['a', 'b'.repeat(8000)] },
      /row 2 is probably longer than maxLength 2048 tokens/,
    ],
    [
      'several of them',
      { answers: ['b'.repeat(8000), 'a', 'b'.repeat(8000)] },
      /2 rows are, the first one row 1, probably/,
    ],
  ]
  it.each(cases)('is %s, alone', async (_why, given, warning) => {
    expect((await outlook(given)).warnings).toEqual([expect.stringMatching(warning)])
  })

  it('is for a gated base what each session downloads, and why the run would wait for it', async () => {
    const plan = { base: 'mistralai/Mistral-7B-Instruct-v0.3' }
    const { warnings, predictions } = await outlook({ plan, baseTrouble: 'no token is stored' })
    expect(warnings).toEqual([
      expect.stringMatching(/would wait: no token is stored/),
      expect.stringMatching(/downloads 14\.5 GB/),
    ])
    expect(predictions.sessions.source).toContain('8.5 min to start each (assumed: 14.5 GB')
  })

  it('is for a base that Kaggle mounts that only accounts there count', async () => {
    const plan = { base: 'kaggle:owner/model/pytorch/small/1' }
    const here = accountOf('here', { provider: 'local' })
    const { warnings } = await outlook({ plan, accounts: [here] })
    expect(warnings).toEqual([
      expect.stringMatching(/no account at kaggle/),
      expect.stringMatching(/only sessions at Kaggle/),
    ])
    expect((await outlook({ plan, accounts: [here, accountOf('ana')] })).warnings).toHaveLength(1)
  })

  it('is for the engine dry that it makes no adapter, and rows cut by characters', async () => {
    const { warnings } = await outlook({ engine: 'dry', answers: ['b'.repeat(2100)] })
    expect(warnings).toEqual([
      expect.stringMatching(/dry makes no adapter/),
      expect.stringMatching(/row 1 is longer than maxLength 2048 characters/),
    ])
    const slow = { stepSeconds: 20, sessionSeconds: 50 }
    expect((await outlook({ engine: 'dry', options: slow })).warnings).toContainEqual(
      expect.stringMatching(/session of 50 s is too short/),
    )
  })

  it('leaves rows unread where only a dry run looks at them', async () => {
    expect((await outlook({ answers: ['b'.repeat(8000)] }, false)).warnings).toEqual([])
  })

  it('never is that a smoke run has few steps', async () => {
    const smoke = await outlook({ steps: 5, options: smokeOptions })
    expect(smoke.warnings).toEqual([])
    expect(smoke.predictions.sessions.text).toBe('2 of 30 min (2 to 2)')
    const few = await outlook({ steps: 5, rows: 32, options: smokeOptions })
    expect(few.warnings).toEqual([])
  })
})
