import { type ExecFileException, execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { processStartedAt } from '../../src/lib/processes.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { scriptOf, ticketVariable } from '../../src/notebooks/script.ts'
import { colabCli } from '../../src/providers/colab/cli.ts'
import { colabIn } from '../emulators/colab-fixture.ts'
import { temporaryFolder, until } from '../emulators/kaggle-fixture.ts'
import { recipeOf, templates } from '../notebooks/fixtures.ts'

/*
 * How the official command line is led to the emulator. Its service address is a constant of the program
 * (colab_cli/client.py, `Prod.domain`), which no setting changes. Its requests do go through `HTTPS_PROXY`, and are
 * checked against `REQUESTS_CA_BUNDLE`: the emulator is that proxy, answers as colab.research.google.com with a throw-away
 * certificate, and refuses every other host, so that nothing leaves this machine. Runtimes are plain addresses of this machine
 * (`NO_PROXY`). It is signed in by a token file that is good for decades, and its look for updates is turned off.
 */

const program =
  process.env.RODIZIO_TEST_COLAB_CLI ?? join(import.meta.dirname, '../../.venvs/colab/bin/colab')
const python = join(dirname(program), 'python')
const isThere = existsSync(program) && existsSync(python)
if (isThere) {
  const version = execFileSync(python, ['--version'], { encoding: 'utf8' }).trim()
  process.stderr.write(`The Colab command line and its runtimes run on ${version} (${python}).\n`)
} else
  process.stderr.write(
    `The official Colab command line is not at ${program}: its tests are skipped. npm run setup:clients makes its ` +
      'environment where there is a Python 3.12 or newer; RODIZIO_TEST_COLAB_CLI names another program, ' +
      'beside whose python there is jupyter_server.\n',
  )

/** An emulator with real runtimes, and a home that is signed in to it. */
async function bench() {
  const folder = temporaryFolder()
  const emulator = await colabIn(folder.path, { jupyterPython: python, computeUnits: 3 })
  onTestFinished(async () => {
    await emulator.close()
    folder[Symbol.dispose]()
  })
  const home = join(folder.path, 'home')
  const states = join(home, '.config/colab-cli')
  mkdirSync(states, { recursive: true })
  const signedIn = {
    token: 'ya29.somebody',
    refresh_token: '1//somebody',
    client_id: 'client',
    client_secret: 'client-secret',
    expiry: '2099-01-01T00:00:00Z',
  }
  writeFileSync(join(states, 'token.json'), JSON.stringify(signedIn))
  writeFileSync(join(states, 'settings.json'), '{"enable_update_check": false}')
  const path = { PATH: '/usr/bin:/bin', ...emulator.clientEnvironment }
  const env = { ...path, HOME: home, LANG: 'C.UTF-8', COLAB_CLI_ASSIGN_RETRIES: '0' }
  const colab = (...args: string[]): Promise<{ status: number; text: string }> =>
    new Promise((resolve) => {
      const done = (error: ExecFileException | null, stdout: string, stderr: string) =>
        resolve({ status: Number(error?.code ?? 0), text: `${stdout}${stderr}` })
      execFile(program, args, { env, cwd: home }, done)
    })
  const script = (name: string, ...lines: string[]): string => {
    writeFileSync(join(home, name), `${lines.join('\n')}\n`)
    return join(home, name)
  }
  const driver = colabCli({
    command: program,
    home,
    env: path,
    timeoutMs: 60_000,
    clock: systemClock,
  })
  return { emulator, folder: folder.path, home, colab, script, driver }
}

const ended = (reason: string) => expect.objectContaining({ state: 'ended', reason })

it.runIf(isThere)(
  'gets a machine, runs code on it with new and exec, and gives it back',
  { timeout: 120_000 },
  async () => {
    const { emulator, folder, colab, script } = await bench()
    expect((await colab('new', '-s', 'one', '--gpu', 'T4')).text).toContain('Session READY')
    const file = script('where.py', 'import os', 'print(os.getcwd(), os.environ["WORD"])', 'x = 40')
    const first = await colab('exec', '-s', 'one', '-f', file, '--env', 'WORD=olá')
    expect(first.text).toContain(`${folder}/colab/runtimes/1/root/content olá`)
    expect(existsSync('/content')).toBe(false)
    const more = script('more.py', 'print(x + 2)')
    expect((await colab('exec', '-s', 'one', '-f', more)).text).toContain('42')
    const usage = await colab('usage')
    expect(usage.text).toMatch(/balance: 3\.00 compute units\n.*1\.20\/hr\nActive assignments: 1/)
    const second = await colab('new', '-s', 'two', '--gpu', 'T4')
    expect(second).toMatchObject({ status: 1, text: expect.stringMatching(/Allocation refused/) })
    const [runtime] = emulator.admin.state().runtimes
    expect((await colab('stop', '-s', 'one')).text).toContain('Session terminated')
    expect(emulator.admin.state().runtimes).toEqual([ended('unassigned')])
    await until('its death', () => processStartedAt(runtime?.pid ?? 0) === null)
  },
)

it.runIf(isThere)(
  'runs a script on a machine of its own, whose status becomes its own',
  { timeout: 120_000 },
  async () => {
    const { emulator, colab, script } = await bench()
    const file = script('greet.py', 'import sys', 'print("olá", sys.argv[1:])')
    const fine = await colab('run', '--gpu', 'T4', file, 'a', 'b')
    expect(fine).toMatchObject({ status: 0, text: expect.stringContaining("olá ['a', 'b']") })
    const failing = await colab('run', '--gpu', 'T4', script('fail.py', 'raise SystemExit(7)'))
    expect(failing.status).toBe(7)
    expect(emulator.admin.state().runtimes).toEqual([ended('unassigned'), ended('unassigned')])
  },
)

it.runIf(isThere)(
  'is told no in the words that the driver reads',
  { timeout: 120_000 },
  async () => {
    const { emulator, folder, colab, script, driver } = await bench()
    const file = script('never.py', 'print("never")')
    const logPath = join(folder, 'run.log')
    const order = { name: 'r', gpu: 'T4', env: {}, timeoutSeconds: 60, logPath } as const
    for (const [refusal, reason] of [
      ['quota_denied', 'quota'],
      ['quota_exceeded', 'quota'],
      ['denylisted', 'quota'], // its answer looks the same to the program
      ['too_many', 'too_many'],
      ['no_capacity', 'no_gpu'],
      ['not_entitled', 'no_gpu'],
    ] as const) {
      emulator.admin.refuse(refusal)
      expect(await driver.run(file, order), refusal).toMatchObject({ kind: 'refused', reason })
    }
    emulator.admin.refuse('quota_exceeded')
    expect((await colab('new', '-s', 'no', '--gpu', 'T4')).status).not.toBe(0)
    expect(emulator.admin.state().runtimes).toEqual([])
  },
)

it.runIf(isThere)(
  'is driven: a run that outlives its start, its stop, and an orphan that is given back',
  { timeout: 120_000 },
  async () => {
    const { emulator, folder, script, driver } = await bench()
    const logPath = join(folder, 'run.log')
    const file = script(
      'long.py',
      'import os, time',
      'print(len(os.environ["T"]), flush=True)',
      'time.sleep(600)',
    )
    const order = { gpu: 'T4', env: { T: 'rzt_planted' }, timeoutSeconds: 900, logPath } as const
    const started = await driver.run(file, { ...order, name: 'run-1-g1' })
    if (started.kind !== 'started') throw new Error(started.message)
    await until('its output', () => readFileSync(logPath, 'utf8').includes('\n11\n'))
    expect(await driver.sessions()).toMatchObject([{ name: 'run-1-g1', hardware: 'T4' }])
    expect(await driver.stop('run-1-g1', started)).toBe(true)
    await until('the end of its follower', () => processStartedAt(started.pid) === null)
    expect(await driver.stop('run-1-g1', started)).toBe(false)

    emulator.admin.addFaults({ kind: 'started_but_cut', rpc: 'PostAssignment' })
    const cut = await driver.run(file, { ...order, name: 'run-1-g2' })
    expect(cut).toMatchObject({ kind: 'refused', reason: 'cut' })
    const [orphan] = await driver.sessions()
    expect(orphan).toMatchObject({ name: null })
    expect(await driver.release(orphan?.endpoint ?? '')).toBe(true)
    expect(await driver.usage()).toEqual({ computeUnits: 3, unitsPerHour: 0, assignments: 0 })

    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    const telling = files
      .filter((one) => one.isFile() && one.name !== 'lock.sqlite')
      .map((one) => join(one.parentPath, one.name))
      .filter((path) => readFileSync(path).includes('rzt_planted'))
    expect(telling).toEqual([])
  },
)

it.runIf(isThere)(
  'quotes no ticket in the traceback of a script that breaks as early as one of ours can',
  { timeout: 120_000 },
  async () => {
    const { folder, script, driver } = await bench()
    const planted = 'rzt_planted-ticket'
    const notebook = renderNotebook(recipeOf('dry', { ticket: planted }), templates)
    const [parameters = ''] = scriptOf(notebook).script.split('# agent')
    const file = script('early.py', parameters, 'print(len(TICKET))', 'raise ValueError("early")')
    const logPath = join(folder, 'run.log')
    const started = await driver.run(file, {
      name: 'early-g1',
      gpu: 'T4',
      env: { [ticketVariable]: planted },
      timeoutSeconds: 60,
      logPath,
    })
    if (started.kind !== 'started') throw new Error(started.message)
    await expect.poll(() => processStartedAt(started.pid), { timeout: 60_000 }).toBe(null)
    const log = readFileSync(logPath, 'utf8')
    expect(log).toContain(`${planted.length}\n`)
    expect(log).toContain('early')
    expect(log).not.toContain(planted)
  },
)
