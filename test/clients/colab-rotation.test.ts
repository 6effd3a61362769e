import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { processStartedAt } from '../../src/lib/processes.ts'
import { colabIn } from '../emulators/colab-fixture.ts'
import { runningService } from '../http/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/*
 * The rotation with the official command line of Colab, led to the emulator as in colab-cli.test.ts; the service itself knows
 * nothing of an emulator.
 */

const program =
  process.env.RODIZIO_TEST_COLAB_CLI ?? join(import.meta.dirname, '../../.venvs/colab/bin/colab')
const python = join(program, '../python')
const isThere = existsSync(program) && existsSync(python)

async function bench() {
  const folder = temporaryFolder()
  const emulator = await colabIn(folder.path, { jupyterPython: python, computeUnits: 3 })
  onTestFinished(async () => {
    await emulator.close()
    folder[Symbol.dispose]()
  })
  const port = 20_000 + (process.pid % 10_000)
  const service = await runningService({
    ...emulator.clientEnvironment,
    RODIZIO_PORT: String(port),
    RODIZIO_PUBLIC_URL: `http://127.0.0.1:${port}`,
    RODIZIO_COLAB_CLI: program,
    RODIZIO_TICK_SECONDS: '1',
  })
  onTestFinished(() => service[Symbol.asyncDispose]())
  const home = join(service.folder, 'colab/home')
  const add = () =>
    service.call('/v1/accounts', {
      json: { name: 'rui', owner: 'Rui', provider: 'colab', driver: 'cli', acceptRules: true },
    })
  /** What a person does by hand, with a browser. */
  const signIn = () => {
    mkdirSync(join(home, '.config/colab-cli'), { recursive: true })
    const token = {
      token: 'ya29.somebody',
      refresh_token: '1//somebody',
      client_id: 'client',
      client_secret: 'client-secret',
      expiry: '2099-01-01T00:00:00Z',
    }
    writeFileSync(join(home, '.config/colab-cli/token.json'), JSON.stringify(token))
  }
  const test = async () =>
    (await service.call('/v1/accounts/rui/test', { method: 'POST' })).json() as Promise<
      Record<string, unknown>
    >
  return { emulator, service, home, add, signIn, test }
}

interface Shown {
  readonly state: string
  readonly step: number
  readonly failure: string | null
  readonly waiting: string | null
  readonly sessions: readonly { readonly state: string; readonly outcome: string | null }[]
}

it.runIf(isThere)(
  'trains a run to its end in one session, and shows its ticket nowhere',
  { timeout: 240_000 },
  async () => {
    const { emulator, service, home, add, signIn, test } = await bench()
    expect((await add()).status).toBe(200)
    expect(await test()).toMatchObject({
      ok: false,
      next: expect.stringContaining(`HOME=${home} ${program} usage`),
    })
    signIn()
    expect(await test()).toMatchObject({ ok: true, message: expect.stringContaining('0.7.5') })

    await service.importRows('talk', 60)
    const body = {
      name: 'rota',
      dataset: 'talk',
      steps: 12,
      options: { stepSeconds: 0.5, saveSeconds: 2, heartbeatSeconds: 1, sessionSeconds: 180 },
    }
    expect((await service.call('/v1/runs', { json: body })).status).toBe(200)
    const seen = new Set<string>()
    const arguments_ = new Set<string>()
    let run: Shown | undefined
    for (let round = 0; round < 600; round += 1) {
      run = (await service.get('/v1/runs/rota')) as unknown as Shown
      for (const { state } of run.sessions) seen.add(state)
      for (const text of argumentsOfAll()) arguments_.add(text)
      if (run.state === 'completed' || run.state === 'failed') break
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    expect(run).toMatchObject({ state: 'completed', step: 12, failure: null })
    expect(run?.sessions.map(({ outcome }) => outcome)).toEqual(['finished'])
    expect(seen).toContain('running')
    await expect
      .poll(() => emulator.admin.state().runtimes.map(({ reason }) => reason), { timeout: 30_000 })
      .toEqual(['unassigned'])

    const sessions = join(service.folder, 'colab/sessions')
    const [name = ''] = readdirSync(sessions)
    const follower = JSON.parse(readFileSync(join(sessions, name, 'process.json'), 'utf8'))
    await expect.poll(() => processStartedAt(follower.pid), { timeout: 30_000 }).toBe(null)
    expect(readFileSync(join(sessions, name, 'exit.json'), 'utf8')).toBe('{"code": 0}')
    expect(readFileSync(join(sessions, name, 'output.log'), 'utf8')).toContain('finished: step 12')

    expect([...arguments_].some((text) => text.includes('json.loads(sys.stdin'))).toBe(true)
    expect([...arguments_].filter((text) => text.includes('rzt_'))).toEqual([])
    const telling = readdirSync(join(service.folder, 'colab'), {
      recursive: true,
      withFileTypes: true,
    })
      .filter((one) => one.isFile())
      .map((one) => join(one.parentPath, one.name))
      .filter((path) => readFileSync(path).includes('rzt_'))
    expect(telling).toEqual([])
  },
)

/** The arguments of every process of this machine, as anybody can list them. */
function argumentsOfAll(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8')]
    } catch {
      return [] // it has just ended
    }
  })
}
