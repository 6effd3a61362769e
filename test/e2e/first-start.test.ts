import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import type { Run } from '../../src/api/schemas.ts'
import { makePlace, projectRoot, until } from './service.ts'

/** Every session begins at the furthest checkpoint of those before it: no step beyond a checkpoint is lost. */
function expectNothingLost(run: Run): void {
  let reached = 0
  for (const session of run.sessions) {
    expect(session.fromStep).toBe(reached)
    reached = Math.max(reached, session.lastCheckpointStep ?? 0)
  }
  expect(reached).toBe(run.targetSteps)
}

it('shows a whole rotation from one command, one session killed in mid-step, and goes on serving', async () => {
  await using place = await makePlace()
  const npm = spawn('npm', ['start', '--silent'], {
    cwd: projectRoot,
    env: place.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  npm.stdout.on('data', (part: Buffer) => {
    told += part.toString('utf8')
  })
  try {
    await until('the service', () =>
      fetch(`${place.url}/health`).then(
        (r) => r.ok,
        () => false,
      ),
    )
    const client = rodizioClient({ url: place.url, token: place.token() })
    const run = await until(
      'the sample run to complete',
      async () => {
        const [summary] = await client.runs()
        return summary?.state === 'completed' ? client.run('sample') : undefined
      },
      180_000,
    )
    expect(run.sessions.length).toBeGreaterThanOrEqual(3)
    expect(run.sessions.slice(0, 3).map(({ provider }) => provider)).toEqual([
      'kaggle',
      'colab',
      'kaggle',
    ])
    expect(run.sessions[1]?.outcome).toBe('limit')
    const killed = run.sessions[2]
    expect(killed?.outcome).toBe('preempted')
    expect(killed?.toStep).toBeGreaterThan(killed?.lastCheckpointStep ?? Number.NaN)
    expectNothingLost(run)
    expect(run.artifact).toMatchObject({ label: 'dry', step: run.targetSteps })
    expect((await client.health()).status).toBe('ok')
    expect(run.artifact?.path).toMatch(/^Drive: /)
    expect((await client.health()).emulated).toEqual(['kaggle', 'drive', 'colab'])
    expect(told).toContain('Emulated: Kaggle')
    expect(told).toContain('Emulated too: Google, its Drive')
    expect(told).toContain('an emulated person, who does it')
    expect(told).toContain('staged')
    await until('the last line', async () => told.includes('What you just saw'), 5000)
    // Ctrl-C reaches the service, not only npm.
    const gone = new Promise((resolve) => npm.once('exit', resolve))
    npm.kill('SIGTERM')
    await gone
    await until('the port to be free', () =>
      fetch(`${place.url}/health`).then(
        () => false,
        () => true,
      ),
    )
  } finally {
    npm.kill('SIGTERM')
  }
})
