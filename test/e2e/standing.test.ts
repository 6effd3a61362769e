import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'
import { importRows } from './outside.ts'
import { isAlive, makePlace, until } from './service.ts'

/** More than a standing run with its first run has. */
const mostBoundaries = 40

it('has one run, opened once, wherever kill -9 cuts its beginning', async () => {
  using folder = temporaryFolder()
  const dieFile = join(folder.path, 'die-at')
  const preload = fileURLToPath(new URL('die-at-opening.mjs', import.meta.url))
  await using place = await makePlace({
    RODIZIO_SAMPLE: 'off',
    RODIZIO_EMULATORS: 'off',
    RODIZIO_TICK_SECONDS: '0.2',
    NODE_OPTIONS: `--import ${preload}`,
    DIE_FILE: dieFile,
  })
  await place.start()
  await importRows(place, 'few', 50)

  let at = 0
  for (;;) {
    at += 1
    expect(at, 'a beginning has an end').toBeLessThan(mostBoundaries)
    const name = `cut-${at}`
    writeFileSync(dieFile, String(at))
    const flags = ['--data', 'few', '--name', name, '--every', '7d', '--steps', '3']
    const asked = await place.run('train', 'start', ...flags)
    const died = !existsSync(dieFile)
    const where = died ? lastBoundary(dieFile) : 'nowhere'
    if (died) {
      await until('the end of the process', async () => !isAlive(place.pid()))
      await place.start()
      const known = (await place.client().standingRuns()).some((one) => one.name === name)
      // Cut before it was stored, it is not there, and who asked has been told of no success.
      if (!known) expect((await place.run('train', 'start', ...flags)).code, where).toBe(0)
    } else {
      expect(asked.code).toBe(0)
    }
    const client = place.client()
    const standing = await until(`the first run of ${name}`, async () => {
      const seen = await client.standingRun(name)
      return seen.count > 0 ? seen : undefined
    })
    expect(
      standing.runs.map((run) => run.name),
      where,
    ).toEqual([`${name}-1`])
    const runs = (await client.runs()).filter((run) => run.name.startsWith(`${name}-`))
    expect(runs, where).toHaveLength(1)
    const kinds = (await client.events(`${name}-1`, 0)).map(({ kind }) => kind)
    expect(
      kinds.filter((kind) => kind !== 'run.waiting'),
      where,
    ).toEqual(['run.started', 'standing.opened'])
    if (!died) break
  }
  const seen = readFileSync(`${dieFile}.log`, 'utf8').trim().split('\n')
  process.stdout.write(`cut at: ${seen.join(', ')}\n`)
  // The record, its commit, the run, the opening, the book of both, their commit.
  expect(seen).toEqual(
    expect.arrayContaining([
      'after insert into standing_runs',
      'before commit',
      'after commit',
      'after insert into runs',
      'after insert into standing_openings',
      'after update standing_runs',
    ]),
  )
  expect(seen.filter((name) => name === 'after commit')).toHaveLength(2)
})

const lastBoundary = (dieFile: string): string =>
  readFileSync(`${dieFile}.log`, 'utf8').trim().split('\n').at(-1) ?? ''
