import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openReal } from '../../src/app/real.ts'
import type { Storage } from '../../src/app/storage.ts'
import { trlPythons } from '../../src/app/trl-pythons.ts'
import { startService } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { silentLog } from '../../src/lib/log.ts'
import { trainExamples } from '../../src/notebooks/examples.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { templates } from '../notebooks/fixtures.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** A project without templates, in whose folder `.venvs` these environments stand. */
function project(...stacks: string[]) {
  const folder = temporaryFolder()
  for (const stack of stacks) {
    mkdirSync(join(folder.path, '.venvs', `notebooks-${stack}`), { recursive: true })
    writeFileSync(join(folder.path, '.venvs', `notebooks-${stack}`, 'lock.sha256'), 'stamp')
  }
  const root = pathToFileURL(`${folder.path}/`)
  const config = loadConfig({ RODIZIO_DATA_DIR: join(folder.path, 'data') }, folder.path)
  return { root, config, path: folder.path, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}

describe('up --real', () => {
  it('is refused without a prepared environment, by the command that makes one, and makes nothing', async () => {
    using at = project()
    const started = startService({
      config: at.config,
      root: at.root,
      program: ['node'],
      path: '',
      log: silentLog,
      version: '0',
      real: true,
    })
    await expect(started).rejects.toMatchObject({
      code: 'trl_unprepared',
      message: expect.stringContaining(join(at.path, '.venvs')),
      next: expect.stringMatching(/npm run setup:notebooks.*6 GB.*RODIZIO_TRL_PYTHON/),
    })
    expect(() => mkdirSync(join(at.path, 'data'))).not.toThrow()
  })

  it('is refused beside real accounts', async () => {
    using at = project('colab')
    const stop = new AbortController().signal
    const nothing = {} as Storage
    await expect(
      openReal({ ...at, path: '', emulate: false, stop }, nothing),
    ).rejects.toMatchObject({ code: 'real_accounts', next: expect.stringContaining('RODIZIO_') })
  })
})

describe('a notebook runs in a prepared Python', () => {
  it.each(trainExamples)('by its engine: $name', (recipe) => {
    using at = project('colab', 'kaggle')
    const text = renderNotebook(recipe, templates)
    const stack = recipe.provider === 'kaggle' ? 'kaggle' : 'colab'
    const prepared = join(at.path, '.venvs', `notebooks-${stack}`, 'bin', 'python')
    expect(trlPythons(at.config, at.root).of(recipe.provider, text)).toBe(
      recipe.engine === 'trl' ? prepared : undefined,
    )
  })

  it('that was made while the service ran, and in none before', () => {
    using at = project()
    const trl = trlPythons(at.config, at.root)
    const recipe = trainExamples.find(({ engine }) => engine === 'trl')
    const text = recipe ? renderNotebook(recipe, templates) : ''
    expect(trl.of('local', text)).toBeUndefined()
    mkdirSync(join(at.path, '.venvs', 'notebooks-newest'), { recursive: true })
    writeFileSync(join(at.path, '.venvs', 'notebooks-newest', 'lock.sha256'), 'stamp')
    expect(trl.of('local', text)).toMatch(/notebooks-newest\/bin\/python$/)
  })
})
