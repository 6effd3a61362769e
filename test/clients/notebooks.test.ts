import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { rodizioClient } from '../../src/api/client.ts'
import { startService } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { emulatorIn, KEY, runnerPath, temporaryFolder } from '../emulators/kaggle-fixture.ts'

const root = new URL('../../', import.meta.url)
const python = fileURLToPath(new URL('.venvs/clients/bin/python', root))
const isThere = existsSync(python)
if (!isThere)
  process.stderr.write(
    `nbformat and nbclient are not there (${python}): the notebooks are not tried with them. npm run setup:clients gets them.\n`,
  )

it.runIf(isThere)('every committed notebook is valid to nbformat and plain Python', () => {
  const folder = fileURLToPath(new URL('notebooks/', root))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ipynb'))
    .map((name) => join(folder, name))
  const checker = join(import.meta.dirname, 'check_notebooks.py')
  const checked = execFileSync(python, [checker, ...files], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line): { path: string; codeCells: number; problems: string[] } => JSON.parse(line))
  expect(checked.map(({ path }) => path)).toEqual(files)
  expect(files.length).toBeGreaterThanOrEqual(6)
  for (const { path, codeCells, problems } of checked) {
    expect(problems, path).toEqual([])
    expect(codeCells, path).toBeGreaterThan(5)
  }
})

/** Trains one short run in one session at the emulated Kaggle, whose notebooks the given program runs. */
async function rehearsal(runner: { runnerPath: string; pythonPath: string }) {
  using folder = temporaryFolder()
  await using emulator = await emulatorIn(join(folder.path, 'emulator'), runner)
  const config = loadConfig(
    {
      RODIZIO_DATA_DIR: join(folder.path, 'data'),
      RODIZIO_PORT: '0',
      RODIZIO_EMULATORS: 'off',
      RODIZIO_KAGGLE_URL: emulator.url,
      RODIZIO_TICK_SECONDS: '0.2',
      RODIZIO_LOG: 'silent',
    },
    fileURLToPath(root),
  )
  const service = await startService({
    config,
    root,
    program: [process.execPath],
    path: process.env.PATH ?? '',
    log: silentLog,
    version: 'test',
    clock: systemClock,
  })
  try {
    const client = rodizioClient({ url: service.url, token: service.token.token })
    const person = { name: 'ana', owner: 'ana', provider: 'kaggle' as const, acceptRules: true }
    await client.addAccount({ ...person, username: 'ana', key: KEY })
    await fetch(`${service.url}/v1/datasets?name=talk`, {
      method: 'POST',
      headers: { authorization: `Bearer ${service.token.token}` },
      body: readFileSync(new URL('templates/sample/about-rodizio.jsonl', root)),
    })
    const options = { saveSteps: 4, saveSeconds: 600, heartbeatSeconds: 1 }
    const { id } = await client.startRun({ dataset: 'talk', engine: 'dry', steps: 12, options })
    const run = await finished(() => client.run(id))
    const [session] = emulator.admin.state().sessions
    const log = session ? readFileSync(session.logPath, 'utf8') : ''
    expect(run.state, `${run.failure}\n${log}`).toBe('completed')
    expect(run.sessions).toHaveLength(1)
    const manifest = readFileSync(join(run.artifact?.path ?? '', 'manifest.json'), 'utf8')
    const { files, metrics, step } = JSON.parse(manifest)
    return { files, metrics, step, losses: run.losses, machineLines: machineLines(log) }
  } finally {
    await service.stop(0)
  }
}

async function finished<Run extends { state: string }>(ask: () => Promise<Run>): Promise<Run> {
  const end = performance.now() + 100_000
  let run = await ask()
  while (run.state !== 'completed' && run.state !== 'failed' && performance.now() < end) {
    await delay(100)
    run = await ask()
  }
  return run
}

/** The lines that the training program prints for the agent, without what differs from one stopwatch to the next. */
const machineLines = (log: string) =>
  log
    .split('\n')
    .filter((line) => line.startsWith('RODIZIO_'))
    .map((line) => {
      const at = line.indexOf(' ')
      const { step, loss, learningRate, reason } = JSON.parse(line.slice(at))
      return { kind: line.slice(0, at), step, loss, learningRate, reason }
    })

it.runIf(isThere)(
  'a pushed dry notebook runs alike under python3 and under nbclient, to the last bit of its artifact',
  { timeout: 240_000 },
  async () => {
    const plain = await rehearsal({ runnerPath, pythonPath: 'python3' })
    const jupyter = await rehearsal({
      runnerPath: join(import.meta.dirname, 'run_with_nbclient.py'),
      pythonPath: python,
    })
    expect(jupyter).toEqual(plain)
    expect(plain.step).toBe(12)
    expect(plain.files.map(({ name }: { name: string }) => name)).toContain('weights.bin')
    const kinds = plain.machineLines.map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'RODIZIO_LOG')).toHaveLength(12)
    expect(kinds.filter((kind) => kind === 'RODIZIO_SAVED')).toHaveLength(3)
    expect(kinds.at(-1)).toBe('RODIZIO_END')
  },
)
