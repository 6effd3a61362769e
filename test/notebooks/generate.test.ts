import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { checkNotebook } from '../../src/notebooks/check.ts'
import { exampleRecipes, renderExamples, trainExamples } from '../../src/notebooks/examples.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { writeFileCode } from '../../src/notebooks/python-text.ts'
import { cellTags } from '../../src/notebooks/tags.ts'
import { loadTemplates } from '../../src/store/template-files.ts'
import { recipeOf, root, sourcesOf, templates } from './fixtures.ts'

const notebooks = exampleRecipes.map((recipe) => ({
  name: recipe.name,
  recipe,
  text: renderNotebook(recipe, templates),
}))

describe('a rendering', () => {
  it('is the same to the byte, from templates read again and in another order', () => {
    const again = new Map([...loadTemplates(new URL('templates/', root))].toReversed())
    for (const { recipe, text } of notebooks) expect(renderNotebook(recipe, again)).toBe(text)
  })

  it('is what is committed, and nothing else is', () => {
    const folder = new URL('notebooks/', root)
    const fresh = renderExamples(templates)
    for (const { path, text } of fresh) {
      expect(existsSync(new URL(path, folder)), path).toBe(true)
      expect(readFileSync(new URL(path, folder), 'utf8') === text, `${path} is stale`).toBe(true)
    }
    const committed = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    expect(committed.filter((name) => /\.(?:ipynb|json)$/.test(name)).toSorted()).toEqual(
      fresh.map(({ path }) => path),
    )
  })

  it.each(notebooks)('$name passes its own check', ({ text }) => {
    expect(checkNotebook(text)).toEqual([])
  })

  it('is nbformat 4.5 with a kernel, tags in order, and ids that follow the content', () => {
    const notebook = JSON.parse(renderNotebook(recipeOf('dry'), templates))
    expect([notebook.nbformat, notebook.nbformat_minor]).toEqual([4, 5])
    expect(notebook.metadata.kernelspec.name).toBe('python3')
    expect(notebook.cells.slice(1).map((c: { metadata: unknown }) => c.metadata)).toEqual(
      cellTags.train.map((tag) => ({ tags: [tag] })),
    )
    const other = JSON.parse(renderNotebook(recipeOf('dry', { ticket: 'rzt_OTHER' }), templates))
    const ids = (cells: { id: string }[]) => cells.map((cell) => cell.id)
    const changed = ids(other.cells).filter((id, index) => id !== ids(notebook.cells)[index])
    expect(changed).toEqual([expect.stringMatching(/^parameters-/)])
  })

  it('says in its first cell what it is and what it costs', () => {
    const [dry, trl] = [recipeOf('dry'), recipeOf('trl')].map(
      (recipe) => sourcesOf(renderNotebook(recipe, templates))[0]?.source,
    )
    expect(dry).toContain('dry: plumbing only, no GPU work')
    expect(trl).toContain('never been executed on a GPU')
    expect(trl).toContain('estimate')
    expect(trl).toContain('8.1 to 9.5 GB')
    const unsloth = sourcesOf(renderNotebook(recipeOf('unsloth'), templates))[0]?.source
    expect(unsloth).toContain('**This notebook has never been executed:**')
    expect(unsloth).toContain('Last real execution: never.')
    expect(unsloth).toContain('Without a GPU it ends at once.')
  })

  it('asks for a GPU everywhere but on this machine, and says so where an engine wants one', () => {
    for (const recipe of trainExamples) {
      const text = renderNotebook(recipe, templates)
      const [header, parameters] = sourcesOf(text).map(({ source }) => source)
      const wanted = recipe.provider !== 'local'
      expect(parameters).toContain(`\nREQUIRE_GPU = ${wanted ? 'True' : 'False'}  #`)
      const told =
        wanted || recipe.engine === 'unsloth'
          ? 'Without a GPU it ends at once.'
          : 'Without a GPU it trains on the CPU'
      expect(header?.includes(told)).toBe(recipe.engine !== 'dry')
    }
  })

  it.each([
    ['dry', ['engines/harness.py', 'engines/dry/train.py', 'session/agent.py']],
    ['trl', ['engines/harness.py', 'engines/trl/program/rows.py', 'engines/trl/program/relay.py']],
    ['unsloth', ['engines/unsloth/fast.py', 'engines/trl/program/rows.py']],
  ] as const)('carries the programs of %s as they are in their templates', (engine, paths) => {
    const written = sourcesOf(renderNotebook(recipeOf(engine), templates))
      .map(({ source }) => source)
      .join('\n')
    for (const path of paths) {
      expect(written.includes(templates.get(path) ?? 'missing'), path).toBe(true)
    }
  })

  it('compiles as Python, every code cell of every notebook', () => {
    const cells = notebooks.flatMap(({ text }) =>
      sourcesOf(text)
        .filter(({ type }) => type === 'code')
        .map(({ source }) => source),
    )
    const python = 'import json,sys\nfor s in json.load(sys.stdin): compile(s, "<cell>", "exec")'
    const done = spawnSync('python3', ['-c', python], { input: JSON.stringify(cells) })
    expect(done.stderr.toString()).toBe('')
    const { train, ...others } = cellTags
    const ofOthers = Object.values(others).reduce((sum, { length }) => sum + length, 0)
    expect(cells).toHaveLength(trainExamples.length * train.length + 3 * ofOthers)
  })

  it('gives Python the very parameters of the recipe, whatever they hold', () => {
    const nasty = 'a\'b\\n"""\n\u2028é🐚$&$1'
    const recipe = recipeOf('dry', { run: { id: nasty, name: nasty }, ticket: nasty })
    const cell = sourcesOf(renderNotebook(recipe, templates)).find(({ tags }) =>
      tags.includes('parameters'),
    )
    const python =
      'import json,sys\nexec(sys.stdin.read())\nRUN.encode()\nprint(json.dumps([RUN, TICKET]))'
    const done = spawnSync('python3', ['-c', python], { input: cell?.source ?? '' })
    expect(JSON.parse(done.stdout.toString())).toEqual([nasty, nasty])
  })
})

describe('a program in a cell', () => {
  it.each([
    ['a triple quote', "a = '''b'''\n"],
    ['a backslash at the end', 'a = 1\\'],
    ['a carriage return', 'a = 1\r\n'],
  ])('is refused for %s', (_why, text) => {
    expect(() => writeFileCode('train.py', text)).toThrow(/train\.py/)
    const broken = new Map(templates).set('engines/dry/train.py', text)
    expect(() => renderNotebook(recipeOf('dry'), broken)).toThrow(/train\.py/)
  })

  it('includes what other cells share, and is refused where that is missing', () => {
    for (const engine of ['trl', 'unsloth'] as const) {
      const text = renderNotebook(recipeOf(engine), templates)
      const install = sourcesOf(text).find(({ tags }) => tags.includes('install'))?.source
      expect(install).toContain('def pip(*arguments):')
      expect(install).not.toContain('# include:')
    }
    const broken = new Map(templates)
    broken.delete('engines/pip.py')
    expect(() => renderNotebook(recipeOf('trl'), broken)).toThrow(/engines\/pip\.py/)
  })

  it('is refused where a template is missing, by its name', () => {
    const broken = new Map(templates)
    broken.delete('engines/dry/probe.py')
    expect(() => renderNotebook(recipeOf('dry'), broken)).toThrow(/engines\/dry\/probe\.py/)
  })
})

describe('the check', () => {
  const text = renderNotebook(recipeOf('dry'), templates)
  const changed = (change: (cells: { id?: string }[]) => void): string => {
    const notebook = JSON.parse(text)
    change(notebook.cells)
    return JSON.stringify(notebook)
  }
  const put = (index: number, fields: Record<string, unknown>) =>
    changed((cells) => Object.assign(cells[index] ?? {}, fields))

  it.each([
    ['broken JSON', text.slice(0, -20), /no JSON/],
    ['a magic', put(3, { source: ['%pip install x\n'] }), /magic/],
    ['a shell', put(3, { source: ['x = 1\n', '!ls'] }), /magic/],
    ['outputs', put(3, { outputs: [{}] }), /outputs/],
    ['an executed cell', put(3, { execution_count: 1 }), /executed/],
    ['a secret', put(3, { source: [`t = 'hf_${'a'.repeat(30)}'`] }), /secret/],
    ['a session token', put(1, { source: [`T = 'rzs_${'a'.repeat(30)}'`] }), /secret/],
    ['a ticket elsewhere', put(3, { source: [`t = 'rzt_${'a'.repeat(30)}'`] }), /ticket/],
    ['code among the parameters', put(1, { source: ["RUN = open('x')"] }), /literal/],
    ['a lost tag', changed((cells) => cells.splice(4, 1)), /tags are/],
    ['tags in another order', changed((cells) => cells.push(...cells.splice(4, 1))), /tags are/],
    ['no header', changed((cells) => cells.shift()), /Markdown/],
    ['an id twice', changed((cells) => Object.assign(cells[3] ?? {}, { id: cells[2]?.id })), /id/],
    ['no ids', put(3, { id: undefined }), /cells\.3\.id/],
  ])('finds %s', (_what, broken, message) => {
    expect(checkNotebook(broken).map((problem) => problem.message)).toContainEqual(
      expect.stringMatching(message),
    )
  })
})
