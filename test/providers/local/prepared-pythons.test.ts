import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { preparedPythons } from '../../../src/providers/local/prepared-pythons.ts'
import { temporaryFolder } from '../../temporary-folder.ts'

const python = (root: string, stack: string) => join(root, `notebooks-${stack}`, 'bin', 'python')

function environments(root: string, stacks: readonly string[]): void {
  for (const stack of stacks) {
    mkdirSync(join(root, `notebooks-${stack}`), { recursive: true })
    writeFileSync(join(root, `notebooks-${stack}`, 'lock.sha256'), 'stamp')
  }
}

/** A program that answers as a Python does that lacks these libraries. */
function interpreter(folder: string, lacking: string): string {
  const path = join(folder, 'python')
  writeFileSync(
    path,
    `#!/bin/sh\ncase "$2" in *find_spec*) echo "${lacking}";; *) echo "${path}";; esac\n`,
  )
  chmodSync(path, 0o755)
  return path
}

describe('the prepared Pythons', () => {
  it.each([
    [['colab', 'kaggle', 'newest'], { kaggle: 'kaggle', colab: 'colab', local: 'newest' }],
    [['colab', 'kaggle'], { kaggle: 'kaggle', colab: 'colab', local: 'colab' }],
    [['kaggle'], { kaggle: 'kaggle', colab: 'kaggle', local: 'kaggle' }],
    [['newest'], { kaggle: 'newest', colab: 'newest', local: 'newest' }],
  ])('of %j stand in for one another', (stacks, wanted) => {
    using folder = temporaryFolder()
    environments(folder.path, stacks)
    expect(preparedPythons(folder.path, undefined)).toEqual(
      Object.fromEntries(
        Object.entries(wanted).map(([place, stack]) => [place, python(folder.path, stack)]),
      ),
    )
  })

  it('are none where nothing was made, or its making was cut short', () => {
    using folder = temporaryFolder()
    expect(preparedPythons(folder.path, undefined)).toBeUndefined()
    mkdirSync(join(folder.path, 'notebooks-colab', 'bin'), { recursive: true })
    expect(preparedPythons(folder.path, undefined)).toBeUndefined()
  })

  it('are the one that a person names, everywhere', () => {
    using folder = temporaryFolder()
    environments(folder.path, ['colab'])
    const named = interpreter(folder.path, '')
    const wanted = { kaggle: named, colab: named, local: named }
    expect(preparedPythons(folder.path, named)).toEqual(wanted)
  })

  it('refuse a named one that lacks a library, or does not run, by the name of the setting', () => {
    using folder = temporaryFolder()
    const named = interpreter(folder.path, 'trl bitsandbytes')
    expect(() => preparedPythons(folder.path, named)).toThrow(
      /RODIZIO_TRL_PYTHON: .* lacks trl, bitsandbytes/,
    )
    expect(() => preparedPythons(folder.path, '/nonexistent/python')).toThrow(
      expect.objectContaining({
        code: 'python_missing',
        next: expect.stringContaining('RODIZIO_TRL_PYTHON'),
      }),
    )
  })
})
