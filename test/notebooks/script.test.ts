import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import { Engine } from '../../src/notebooks/plan.ts'
import { scriptOf } from '../../src/notebooks/script.ts'
import { resolvePython } from '../../src/providers/local/python.ts'
import { recipeOf, templates } from './fixtures.ts'

const ticket = 'rzt_planted-for-this_test'
const rendered = (engine: Engine) =>
  renderNotebook(recipeOf(engine, { ticket, provider: 'colab' }), templates)

/** A notebook of these code cells, the first of them the parameters. */
const notebookOf = (...sources: string[]) =>
  JSON.stringify({
    cells: sources.map((source, index) => ({
      cell_type: 'code',
      metadata: { tags: index === 0 ? ['parameters'] : [] },
      source,
    })),
  })

it.each(Engine.options)('is one program that Python takes, of all cells: %s', (engine) => {
  const { script } = scriptOf(rendered(engine))
  const at = ['CONTROL_URL', 'enrol(', 'fetch_resume', 'fetch_data', 'session.train', 'finish()']
  expect(at.map((word) => script.lastIndexOf(word))).not.toContain(-1)
  const compile = 'import sys; compile(sys.stdin.read(), "script", "exec")'
  execFileSync(resolvePython('python3'), ['-c', compile], { input: script })
})

it('holds no ticket: it is read from the environment, once, and given to no child', () => {
  const { script, ticket: taken } = scriptOf(rendered('dry'))
  expect(taken).toBe(ticket)
  expect(script).not.toContain('rzt_')
  const first = `${script.split('# agent')[0]}\nprint(TICKET, 'RODIZIO_TICKET' in os.environ)`
  const env = { RODIZIO_TICKET: ticket }
  const said = execFileSync(resolvePython('python3'), ['-'], { input: first, env })
  expect(said.toString().trim()).toBe(`${ticket} False`)
})

it('begins with lines that cannot fail: a traceback shows those around it, and the ticket is set before them', () => {
  const { script } = scriptOf(rendered('dry'))
  const lines = script.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const harmless = lines.findIndex(
    (line) => !/^import os$|^[A-Z_]+ = (?:'|\d|os\.environ\.pop)/.test(line),
  )
  expect(harmless).toBeGreaterThanOrEqual(6)
})

it.each([
  ['a magic', ["TICKET = 'rzt_x'", '%pip install torch'], 'magic_in_script'],
  ['a shell', ["TICKET = 'rzt_x'", '!nvidia-smi'], 'magic_in_script'],
  ['no ticket', ["TICKET = ''", 'x = 1'], 'ticket_misplaced'],
  ['a ticket in another cell', ["TICKET = 'rzt_x'", "print('rzt_x')"], 'ticket_misplaced'],
] as const)('is refused with %s', (_what, sources, code) => {
  expect(() => scriptOf(notebookOf(...sources))).toThrow(expect.objectContaining({ code }))
})

it('lets programs that a cell writes to a file be what they are', () => {
  const cells = ["TICKET = 'rzt_x'", "Path('a.py').write_text(r'''\n!x = %d\n''')"]
  expect(scriptOf(notebookOf(...cells)).script).toContain('!x = %d')
})
