import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { processStartedAt } from '../../src/lib/processes.ts'
import { admin, assign, colabIn, freshColab, opened } from './colab-fixture.ts'
import { FOREVER, notebook, temporaryFolder, until } from './kaggle-fixture.ts'

const HOUR = 3600
const forGpu = (...sources: string[]): string => {
  const parsed = JSON.parse(notebook(...sources))
  return JSON.stringify({ ...parsed, metadata: { ...parsed.metadata, accelerator: 'GPU' } })
}

it.each([
  ['ends well', 'print("olá")', 'finished', 0, null, 'olá\n'],
  ['raises', 'raise ValueError("no rows")', 'failed', 1, 'ValueError: no rows', 'no rows'],
] as const)(
  'presses Run all at once: a notebook that %s',
  async (_why, source, state, exit, message, printed) => {
    await using emulator = await freshColab()
    const given = await admin(emulator, 'POST', 'run-all', {
      name: 'lesson',
      notebook: notebook(source),
    })
    expect(given).toEqual({ status: 200, body: { id: 1 } })
    const ended = await opened(emulator, 'lesson', state)
    expect(ended).toMatchObject({ exit, message, fileId: null })
    expect(readFileSync(ended.logPath, 'utf8')).toContain(printed)
  },
)

it('opens a notebook on the machine that is meant for it', async () => {
  using folder = temporaryFolder()
  const special = join(folder.path, 'special-python')
  writeFileSync(special, '#!/bin/sh\nSPECIAL=yes exec python3 "$@"\n', { mode: 0o755 })
  await using emulator = await freshColab({
    pythonFor: (text) => (text.includes('special') ? special : undefined),
  })
  const source = 'import os\nprint(os.environ.get("SPECIAL"))'
  emulator.admin.giveLink({ name: 'plain', notebook: notebook(source) })
  emulator.admin.giveLink({ name: 'special', notebook: notebook('# special', source) })
  expect(readFileSync((await opened(emulator, 'plain', 'finished')).logPath, 'utf8')).toBe('None\n')
  expect(readFileSync((await opened(emulator, 'special', 'finished')).logPath, 'utf8')).toBe(
    'yes\n',
  )
})

it('comes late, and then not at all, as told', async () => {
  await using emulator = await freshColab()
  const manners = [{ behaviour: 'late', delaySeconds: 1800 }, { behaviour: 'never' }]
  expect((await admin(emulator, 'POST', 'person', manners)).status).toBe(200)
  emulator.admin.giveLink({ name: 'first', notebook: notebook('1') })
  emulator.admin.giveLink({ name: 'second', notebook: notebook('1') })
  emulator.admin.giveLink({ name: 'third', notebook: notebook('1') })
  await delay(250)
  expect(emulator.admin.state().notebooks.map(({ state }) => state)).toEqual(
    Array.from({ length: 3 }, () => 'waiting'),
  )
  emulator.admin.advanceClock(1799)
  expect((await opened(emulator, 'first', 'waiting')).startedAt).toBeNull()
  emulator.admin.advanceClock(1000 * HOUR)
  await opened(emulator, 'first', 'finished')
  expect(await opened(emulator, 'second', 'waiting')).toMatchObject({ dueAt: null })
  expect(await opened(emulator, 'third', 'waiting')).toMatchObject({ dueAt: null })
})

it('presses Run all twice, as told, and the first process goes on', async () => {
  await using emulator = await freshColab()
  emulator.admin.behave({ behaviour: 'prompt', againSeconds: 60 }, { behaviour: 'prompt' })
  emulator.admin.giveLink({ name: 'twice', notebook: forGpu(FOREVER) })
  emulator.admin.giveLink({ name: 'once', notebook: notebook('1') })
  await opened(emulator, 'once', 'finished')
  const states = () =>
    emulator.admin
      .state()
      .notebooks.filter(({ name }) => name === 'twice')
      .map(({ state }) => state)
  expect(states()).toEqual(['running', 'waiting'])
  emulator.admin.advanceClock(61)
  await until('the second process', () => !states().includes('waiting'))
  expect(states()).toEqual(['running', 'running'])
})

it('opens a link to Drive when the time has come, and the notebook is what it is by then', async () => {
  let text = notebook('print("early")')
  const fetchNotebook = async (fileId: string) => (fileId === 'there' ? text : null)
  await using emulator = await freshColab({ fetchNotebook })
  emulator.admin.behave({ behaviour: 'late', delaySeconds: 60 })
  emulator.admin.giveLink({ name: 'found', fileId: 'there' })
  emulator.admin.giveLink({ name: 'missing', fileId: 'gone' })
  text = notebook('print("newer")')
  emulator.admin.advanceClock(61)
  const found = await opened(emulator, 'found', 'finished')
  expect(readFileSync(found.logPath, 'utf8')).toBe('newer\n')
  expect(await opened(emulator, 'missing', 'failed')).toMatchObject({
    message: expect.stringMatching(/no notebook gone/),
    startedAt: null,
    exit: null,
  })
})

it('finds notebooks in Drive by itself, each of them once, also after a restart', async () => {
  using folder = temporaryFolder()
  const drive = {
    listNotebooks: async () => [{ fileId: 'f1', name: 'from drive' }],
    fetchNotebook: async () => notebook('print(1)'),
  }
  const first = await colabIn(folder.path, drive)
  await opened(first, 'from drive', 'finished')
  await first.close()
  await using second = await colabIn(folder.path, drive)
  await delay(700)
  expect(second.admin.state().notebooks).toHaveLength(1)
})

it('ends a notebook at the limit, its whole group with it', async () => {
  await using emulator = await freshColab()
  const parent = 'import subprocess\nprint(subprocess.Popen(["sleep", "60"]).pid)'
  emulator.admin.giveLink({ name: 'long', notebook: notebook(parent, FOREVER) })
  const { logPath } = await opened(emulator, 'long', 'running')
  const child = await until('its child', () => Number(readFileSync(logPath, 'utf8').split('\n')[0]))
  emulator.admin.advanceClock(12 * HOUR)
  expect(await opened(emulator, 'long', 'disconnected')).toMatchObject({
    exit: null,
    message: expect.stringMatching(/disconnected: it ran for 43200 seconds/),
  })
  await until('the death of the child', () => processStartedAt(child) === null)
})

it('loses its machine in mid-work, some time after a line of output', async () => {
  await using emulator = await freshColab()
  const order = { session: 1, afterLine: 'step 3', afterSeconds: 0.1 }
  expect((await admin(emulator, 'POST', 'preempt', order)).status).toBe(200)
  const source = 'import time\nfor n in range(500):\n    print("step", n)\n    time.sleep(0.02)'
  emulator.admin.giveLink({ name: 'taken', notebook: notebook(source) })
  const { logPath, message } = await opened(emulator, 'taken', 'disconnected')
  expect(message).toBe('Your runtime has been disconnected.')
  expect(readFileSync(logPath, 'utf8')).toContain('step 3\n')
})

it('gets no GPU when the hours of the day are used up, but a plain machine', async () => {
  await using emulator = await freshColab({ gpuHoursPerDay: 2, idleSeconds: 100 * HOUR })
  await assign(emulator)
  emulator.admin.advanceClock(2 * HOUR)
  emulator.admin.disconnect()
  emulator.admin.giveLink({ name: 'wants', notebook: forGpu('1') })
  expect(await opened(emulator, 'wants', 'failed')).toMatchObject({
    message: 'You cannot currently connect to a GPU due to usage limits in Colab.',
    gpu: true,
    pid: null,
  })
  emulator.admin.giveLink({ name: 'plain', notebook: notebook('1') })
  await opened(emulator, 'plain', 'finished')
})

it('goes on while the emulator is away, and is found again', async () => {
  using folder = temporaryFolder()
  const first = await colabIn(folder.path)
  first.admin.giveLink({ name: 'living', notebook: notebook(FOREVER) })
  const { pid } = await opened(first, 'living', 'running')
  await first.close({ keepSessions: true })
  await using second = await colabIn(folder.path)
  expect(await opened(second, 'living', 'running')).toMatchObject({ pid })
  second.reset()
  await until('its death', () => processStartedAt(pid ?? 0) === null)
  expect(second.admin.state().notebooks).toEqual([])
})

it.each([
  ['person', { behaviour: 'sometimes' }],
  ['run-all', { name: 'x' }],
  ['refusals', { refusal: 'bad mood' }],
  ['preempt', { session: 1, afterLine: '(' }],
] as const)('refuses an order to %s that does not fit', async (name, body) => {
  await using emulator = await freshColab()
  expect((await admin(emulator, 'POST', name, body)).status).toBe(400)
})
