import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Dataset, Run } from '../../src/api/schemas.ts'
import { makePlace, until } from './service.ts'

const file = fileURLToPath(new URL('../../../shared/data/pira_sft_pt.jsonl', import.meta.url))
if (!existsSync(file))
  process.stdout.write('skipped: the Pirá conversations are not beside this clone\n')

it.skipIf(!existsSync(file))(
  'rotates over 2,036 real conversations, imported and started by the command line, and learns',
  async () => {
    await using place = await makePlace({ RODIZIO_STORE: 'folder', RODIZIO_SAMPLE: 'off' })
    await place.start()
    await until('the accounts', async () => (await place.client().accounts()).length === 3)
    const { dataset } = await place.json<{ dataset: Dataset }>(
      'data',
      'import',
      file,
      '--name',
      'pira',
    )
    expect(dataset.train.rows + dataset.validation.rows).toBe(2036)
    expect(dataset.rejected).toBe(0)
    const flags = [
      '--steps',
      '120',
      '--session-max',
      '20s',
      '--save-every',
      '5s',
      '--heartbeat',
      '2s',
    ]
    const pace = ['--step-pace', '0.3s']
    await place.json('train', 'start', '--data', 'pira', '--name', 'pira', ...flags, ...pace)
    const run = await until(
      'the run to complete',
      async () => {
        const seen = await place.json<Run>('train', 'show', 'pira')
        expect(seen.state).not.toBe('failed')
        return seen.state === 'completed' ? seen : undefined
      },
      240_000,
    )
    expect(run.sessions.length).toBeGreaterThanOrEqual(3)
    expect(new Set(run.sessions.map(({ provider }) => provider)).size).toBe(2)
    expect(run.loss?.last).toBeLessThan((run.loss?.first ?? 0) * 0.8)
    const held = run.checkpoints.map(({ metrics }) => Number(metrics.heldOutLoss))
    expect(held.at(-1)).toBeLessThan(held[0] ?? 0)
    // A hand-over does not show in what is learned: every step of the plan was taken once and counted.
    expect(run.checkpoints.at(-1)?.step).toBe(120)
  },
)
