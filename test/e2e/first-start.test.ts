import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import type { Run } from '../../src/api/schemas.ts'
import { readToken } from '../../src/config/service-file.ts'
import { endEmulators, packed, unpacked } from '../deploy/artifact.ts'
import { unitFile } from '../deploy/unit-file.ts'
import { memoryLimit } from '../memory-limit.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { freePort, makePlace, projectRoot, until } from './service.ts'

/** Every session begins at the furthest checkpoint of those before it: no step beyond a checkpoint is lost. */
function expectNothingLost(run: Run): void {
  let reached = 0
  for (const session of run.sessions) {
    expect(session.fromStep).toBe(reached)
    reached = Math.max(reached, session.lastCheckpointStep ?? 0)
  }
  expect(reached).toBe(run.targetSteps)
}

it.concurrent('shows a whole rotation from one command, one session killed in mid-step, and goes on serving', async () => {
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

const unit = unitFile()
const mayLimit = (() => {
  using limit = memoryLimit(unit.bytes('MemoryMax'))
  return limit !== undefined
})()

it.skipIf(!mayLimit).concurrent('fits into the memory that the unit grants', async () => {
  using place = temporaryFolder()
  using limit = memoryLimit(unit.bytes('MemoryMax'))
  if (!limit) throw new Error('the control group could be made a moment ago')
  const installed = unpacked(packed(place.path), join(place.path, 'versions'))
  const [program = '', ...args] = unit.last('ExecStart').split(' ')
  const command = [program.replace('/opt/rodizio/current', installed), ...args]
  expect(command[0]).toBe(join(installed, 'bin/rodizio'))
  const data = join(place.path, 'data')
  const port = String(await freePort())
  const [sh = '', ...wrap] = limit.wrap
  const service = spawn(sh, [...wrap, ...command], {
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      ...unit.environment,
      HOME: place.path,
      RODIZIO_DATA_DIR: data,
      RODIZIO_PORT: port,
    },
    stdio: 'ignore',
  })
  const gone = new Promise<number | null>((end) => service.once('exit', end))
  let most = 0
  try {
    const token = await until('the service', async () => readToken(data))
    const client = rodizioClient({ url: `http://127.0.0.1:${port}`, token })
    const run = await until(
      'the sample run to complete',
      async () => {
        most = Math.max(most, limit.ownBytes())
        const [summary] = await client.runs().catch(() => []) // it may not listen yet
        return summary?.state === 'completed' && client.run(summary.name)
      },
      200_000,
    )
    expect(run.sessions.length).toBeGreaterThanOrEqual(3)
    expect(limit.killed()).toBe(0)
    process.stdout.write(
      `first start: ${(most / 1e6).toFixed(0)} MB of its own at most, ${(limit.peakBytes() / 1e6).toFixed(0)} MB with files, of ${unit.last('MemoryMax')}\n`,
    )
  } finally {
    service.kill('SIGTERM')
    await gone
    await endEmulators(data)
  }
  expect(most).toBeGreaterThan(50e6)
  expect(most).toBeLessThan(unit.bytes('MemoryHigh'))
})
