import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { processStartedAt } from '../../src/lib/processes.ts'
import {
  emulatorIn,
  FOREVER,
  freshEmulator,
  kernelsCall,
  newest,
  notebook,
  push,
  reaches,
  temporaryFolder,
  until,
} from './kaggle-fixture.ts'

const logOf = (path: string): string => readFileSync(path, 'utf8')

it('runs a pushed notebook from QUEUED over RUNNING to COMPLETE', async () => {
  await using emulator = await freshEmulator({ queueSeconds: 0.3 })
  const pushed = await push(emulator, 'counting', notebook('x = 20', 'print(x + 1)'))
  expect(pushed.body).toMatchObject({ ref: '/code/ana/counting', versionNumber: 1 })
  const status = () => kernelsCall(emulator, 'GetKernelSessionStatus', { kernelSlug: 'counting' })
  expect((await status()).body).toEqual({ status: 'QUEUED' })
  const session = await reaches(emulator, 'counting', 'COMPLETE')
  expect((await status()).body).toEqual({ status: 'COMPLETE' })
  expect(logOf(session.logPath)).toBe('21\n')
  expect(session.gpuSeconds).toBeGreaterThan(0)
})

it.each([
  ['a cell that raises', notebook('raise ValueError("no such column")'), /no such column/],
  ['a magic', notebook('%pip install nothing'), /magic/],
  [
    'a notebook without a kernel name',
    notebook('1').replace('"name":"python3"', '"name":""'),
    /No kernel name/,
  ],
] as const)('ends %s in ERROR with a sentence', async (_why, text, message) => {
  await using emulator = await freshEmulator()
  await push(emulator, 'broken', text)
  await reaches(emulator, 'broken', 'ERROR')
  const status = await kernelsCall(emulator, 'GetKernelSessionStatus', { kernelSlug: 'broken' })
  expect(status.body).toMatchObject({
    status: 'ERROR',
    failureMessage: expect.stringMatching(message),
  })
})

it('gives a session a clean environment and a folder of its own', async () => {
  process.env.PLANTED_SECRET = 'planted'
  await using emulator = await freshEmulator()
  const source =
    'import os\nprint(sorted(os.environ))\nprint(os.getcwd())\nprint(os.getpgid(0) == os.getpid())'
  await push(emulator, 'environment', notebook(source))
  const { logPath } = await reaches(emulator, 'environment', 'COMPLETE')
  delete process.env.PLANTED_SECRET
  const [names, folder, leadsItsGroup] = logOf(logPath).split('\n')
  expect(names).toBe(
    "['HOME', 'KAGGLE_KERNEL_RUN_TYPE', 'LANG', 'OMP_NUM_THREADS', 'PATH', 'PYTHONUNBUFFERED', 'TMPDIR']",
  )
  expect(folder).toMatch(/kaggle\/sessions\/1\/working$/)
  expect(leadsItsGroup).toBe('True')
})

it('runs a notebook with the Python that is meant for it, or says why there is none', async () => {
  using folder = temporaryFolder()
  const special = join(folder.path, 'special-python')
  writeFileSync(special, '#!/bin/sh\nSPECIAL=yes exec python3 "$@"\n', { mode: 0o755 })
  const pythonFor = (text: string) => {
    if (text.includes('never')) throw new Error('that Python is not there')
    return text.includes('special') ? special : undefined
  }
  await using emulator = await freshEmulator({ pythonFor })
  const source = 'import os\nprint(os.environ.get("SPECIAL"))'
  await push(emulator, 'plain', notebook(source))
  await push(emulator, 'special', notebook('# special', source))
  expect(logOf((await reaches(emulator, 'plain', 'COMPLETE')).logPath)).toBe('None\n')
  expect(logOf((await reaches(emulator, 'special', 'COMPLETE')).logPath)).toBe('yes\n')
  await push(emulator, 'never', notebook('# never', source))
  expect((await reaches(emulator, 'never', 'ERROR')).failureMessage).toBe(
    'that Python is not there',
  )
})

it('kills the whole group at the session limit', async () => {
  await using emulator = await freshEmulator()
  const parent = 'import subprocess\nprint(subprocess.Popen(["sleep", "60"]).pid)'
  await push(emulator, 'too-long', notebook(parent, FOREVER), { sessionTimeoutSeconds: 1 })
  const { logPath } = await reaches(emulator, 'too-long', 'CANCEL_ACKNOWLEDGED')
  const child = Number(logOf(logPath).split('\n')[0])
  await until('the death of the child', () => processStartedAt(child) === null)
  expect(newest(emulator, 'too-long')?.failureMessage).toMatch(/longer than 1 seconds/)
})

it('ends what a finished notebook left running', async () => {
  await using emulator = await freshEmulator()
  const source = 'import subprocess\nprint(subprocess.Popen(["sleep", "60"]).pid)'
  await push(emulator, 'leftover', notebook(source))
  const { logPath } = await reaches(emulator, 'leftover', 'COMPLETE')
  await until('its death', () => processStartedAt(Number(logOf(logPath).trim())) === null)
})

it('caps what a push asks for', async () => {
  await using emulator = await freshEmulator({ sessionCapSeconds: 100 })
  await push(emulator, 'modest', notebook(FOREVER), { sessionTimeoutSeconds: 60 })
  await push(emulator, 'greedy', notebook(FOREVER), { sessionTimeoutSeconds: 90_000 })
  expect(newest(emulator, 'modest')?.limitSeconds).toBe(60)
  expect(newest(emulator, 'greedy')?.limitSeconds).toBe(100)
})

it('preempts the n-th session in mid-step, some time after a line of its output', async () => {
  await using emulator = await freshEmulator()
  emulator.admin.preempt({ session: 2, afterLine: 'step 3', afterSeconds: 0.1 })
  const source = 'import time\nfor n in range(500):\n    print("step", n)\n    time.sleep(0.02)'
  await push(emulator, 'first', notebook('print("step 3")\nimport time; time.sleep(2)'))
  await reaches(emulator, 'first', 'RUNNING')
  await push(emulator, 'second', notebook(source))
  const second = await reaches(emulator, 'second', 'ERROR')
  expect(second.failureMessage).toMatch(/worker was lost/)
  const printed = logOf(second.logPath)
  expect(printed).toContain('step 3\n')
  expect(printed).not.toContain('step 499')
  await until('its death', () => processStartedAt(second.pid ?? 0) === null)
  expect((await reaches(emulator, 'first', 'COMPLETE')).failureMessage).toBeNull()
})

it('preempts a running session by its slug', async () => {
  await using emulator = await freshEmulator()
  await push(emulator, 'running', notebook(FOREVER))
  await reaches(emulator, 'running', 'RUNNING')
  emulator.admin.preempt({ session: 'running' })
  await reaches(emulator, 'running', 'ERROR')
})

it('starts no session for QUICK_SAVE', async () => {
  await using emulator = await freshEmulator()
  const saved = await push(emulator, 'only-saved', notebook('1'), {
    kernelExecutionType: 'QUICK_SAVE',
  })
  expect(saved.body).toMatchObject({ versionNumber: 1 })
  expect(newest(emulator, 'only-saved')).toBeUndefined()
})

it('frees the slot of a deleted notebook', async () => {
  await using emulator = await freshEmulator()
  await push(emulator, 'deleted', notebook(FOREVER))
  const { pid } = await reaches(emulator, 'deleted', 'RUNNING')
  await kernelsCall(emulator, 'DeleteKernel', { userName: 'ana', kernelSlug: 'deleted' })
  expect(newest(emulator, 'deleted')?.state).toBe('CANCEL_ACKNOWLEDGED')
  await until('its death', () => processStartedAt(pid ?? 0) === null)
})

it('adopts living sessions after a restart and learns how the others ended', async () => {
  using folder = temporaryFolder()
  const first = await emulatorIn(folder.path)
  await push(first, 'living', notebook(FOREVER))
  await push(first, 'ending', notebook('import time\ntime.sleep(0.3)\nprint("done")'))
  const before = await reaches(first, 'living', 'RUNNING')
  await reaches(first, 'ending', 'RUNNING')
  await first.close({ keepSessions: true })
  await until('the end of one', () => {
    const { pid } = first.admin.state().sessions.find(({ slug }) => slug === 'ending') ?? {}
    return processStartedAt(pid ?? 0) === null
  })

  await using second = await emulatorIn(folder.path)
  expect(second.port).toBe(first.port)
  expect(newest(second, 'living')).toMatchObject({ state: 'RUNNING', pid: before.pid })
  await reaches(second, 'ending', 'COMPLETE')
  await push(second, 'living', notebook('1'))
  second.admin.preempt({ session: 1 })
  await kernelsCall(second, 'DeleteKernel', { kernelSlug: 'living' })
  await until('its death', () => processStartedAt(before.pid ?? 0) === null)
})

it('takes a session whose process is gone for lost', async () => {
  using folder = temporaryFolder()
  const first = await emulatorIn(folder.path)
  await push(first, 'vanished', notebook(FOREVER))
  const { pid } = await reaches(first, 'vanished', 'RUNNING')
  await first.close({ keepSessions: true })
  const books = join(folder.path, 'kaggle', 'state.json')
  const left = readFileSync(books, 'utf8')
  process.kill(-(pid ?? 0), 'SIGKILL')
  await until('its death', () => processStartedAt(pid ?? 0) === null)
  expect(readFileSync(books, 'utf8')).toBe(left)
  await using second = await emulatorIn(folder.path)
  expect((await reaches(second, 'vanished', 'ERROR')).failureMessage).toMatch(/worker was lost/)
})

it('ends all sessions when it closes, and forgets them at a reset', async () => {
  await using emulator = await freshEmulator()
  await push(emulator, 'reset-me', notebook(FOREVER))
  const { pid } = await reaches(emulator, 'reset-me', 'RUNNING')
  emulator.reset()
  await until('its death', () => processStartedAt(pid ?? 0) === null)
  expect(emulator.admin.state().sessions).toEqual([])
  await push(emulator, 'close-me', notebook(FOREVER))
  const last = await reaches(emulator, 'close-me', 'RUNNING')
  await emulator.close()
  await until('its death', () => processStartedAt(last.pid ?? 0) === null)
})
