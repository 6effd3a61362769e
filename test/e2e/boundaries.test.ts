import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'
import { importRows } from './outside.ts'
import { isAlive, makePlace, until } from './service.ts'

interface EmulatorState {
  sessions: { slug: string; version: number; startedAt: string | null }[]
}

/** More than a launch has. */
const mostBoundaries = 40

it('has one session, adopted after the restart, wherever a launch is cut by kill -9', async () => {
  using folder = temporaryFolder()
  const dieFile = join(folder.path, 'die-at')
  const preload = fileURLToPath(new URL('die-at.mjs', import.meta.url))
  await using place = await makePlace({
    RODIZIO_SAMPLE: 'off',
    RODIZIO_STORE: 'folder',
    NODE_OPTIONS: `--import ${preload}`,
    DIE_FILE: dieFile,
  })
  await place.start()
  await until('the accounts', async () => (await place.client().accounts()).length === 3)
  for (const { name, provider } of await place.client().accounts()) {
    if (provider !== 'kaggle') await place.json('accounts', 'rm', name)
  }
  await importRows(place, 'few', 50)

  let at = 0
  for (;;) {
    at += 1
    expect(at, 'a launch has an end').toBeLessThan(mostBoundaries)
    const name = `cut-${at}`
    const { pid } = place
    const before = pid()
    writeFileSync(dieFile, String(at))
    const flags = ['--steps', '3', '--heartbeat', '1s', '--session-max', '60s']
    await place.json('train', 'start', '--data', 'few', '--name', name, ...flags)
    const died = await until(`boundary ${at}, or the end of the run`, async () => {
      if (!existsSync(dieFile)) return 'died'
      // It may die just now, and be looked at once more.
      const seen = await place
        .client()
        .run(name)
        .catch(() => undefined)
      return seen?.state === 'completed' ? 'lived' : undefined
    })
    if (died === 'lived') break
    await until('the end of the process', async () => !isAlive(before))
    await place.start()
    const run = await until('the run to complete', async () => {
      const seen = await place.client().run(name)
      expect(seen.state, `${lastBoundary(dieFile)}: ${seen.failure}`).not.toBe('failed')
      return seen.state === 'completed' ? seen : undefined
    })
    const where = lastBoundary(dieFile)
    expect(
      run.sessions.map(({ outcome }) => outcome),
      where,
    ).toEqual(['finished'])
    const { sessions } = await place.emulator<EmulatorState>('GET', 'state')
    const mine = sessions.filter(({ slug }) => slug.startsWith(`rodizio-${name}-`))
    expect(
      mine.map(({ version }) => version),
      where,
    ).toEqual([1])
  }
  const seen = readFileSync(`${dieFile}.log`, 'utf8').trim().split('\n')
  process.stdout.write(`cut at: ${seen.join(', ')}\n`)
  // Intent, the provider's status, the intent with its ticket, the push, its bookkeeping.
  expect(seen).toEqual(
    expect.arrayContaining([
      'before commit',
      'after commit',
      'before SaveKernel',
      'after SaveKernel',
    ]),
  )
  expect(seen.length).toBeGreaterThanOrEqual(10)
  await place.stop()
})

const lastBoundary = (file: string): string =>
  `killed ${readFileSync(`${file}.log`, 'utf8').trim().split('\n').at(-1)}`
