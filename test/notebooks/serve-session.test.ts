import { describe, expect, it } from 'vitest'
import { checkNotebook } from '../../src/notebooks/check.ts'
import { engineOf } from '../../src/notebooks/engine-of.ts'
import { serveSessionExamples } from '../../src/notebooks/examples.ts'
import { renderNotebook } from '../../src/notebooks/generate.ts'
import type { NotebookProvider } from '../../src/notebooks/notebook-provider.ts'
import { Recipe } from '../../src/notebooks/recipe.ts'
import { scriptOf } from '../../src/notebooks/script.ts'
import { reachAt, ServePlan } from '../../src/notebooks/serve-plan.ts'
import type { ServeSessionRecipe } from '../../src/notebooks/serve-session-recipe.ts'
import { cellTags } from '../../src/notebooks/tags.ts'
import { sourcesOf, templates } from './fixtures.ts'

function exampleOf(provider: NotebookProvider, changes: Partial<ServeSessionRecipe> = {}) {
  const found = serveSessionExamples.find((recipe) => recipe.provider === provider)
  if (!found) throw new Error(`there is no example at ${provider}`)
  return { ...found, ...changes }
}
const rendered = (...of: Parameters<typeof exampleOf>) =>
  sourcesOf(renderNotebook(exampleOf(...of), templates))
const { plan } = exampleOf('local')

it.each([
  ['', null, 'relay', 'local'],
  ['cloudflared', 'tunnel', 'tunnel', 'tunnel'],
] as const)('a plan that was stored with the tunnel "%s" is read', (tunnel, reach, away, here) => {
  const { reach: _reach, ...rest } = plan
  const read = ServePlan.parse({ ...rest, tunnel })
  expect(read).toEqual({ ...plan, reach })
  expect([reachAt(read, 'kaggle'), reachAt(read, 'colab'), reachAt(read, 'local')]).toEqual([
    away,
    away,
    here,
  ])
  expect(ServePlan.safeParse({ ...rest, tunnel: 'ngrok' }).success).toBe(false)
  expect(ServePlan.safeParse(rest).success).toBe(false)
})

describe('the recipe of a serving policy’s session', () => {
  it.each([
    ['no ticket', { ticket: '' }],
    ['no address of the service', { controlUrl: '' }],
    ['a sealed order', { sealed: '{}' }],
    ['the key in place of its hash', { plan: { ...plan, keySha256: `rzk_${'k'.repeat(43)}` } }],
    ['a way that nobody knows', { plan: { ...plan, reach: 'ngrok' } }],
    ['a plan of training', { plan: { ...plan, engine: 'trl' } }],
    ['a field that no plan has', { plan: { ...plan, key: 'k' } }],
  ])('is refused with %s', (_why, change) => {
    expect(Recipe.safeParse(exampleOf('local')).success).toBe(true)
    expect(Recipe.safeParse({ ...exampleOf('local'), ...change }).success).toBe(false)
  })

  it.each([15, 8193, 20.5])('takes no answers of at most %s tokens', (maxTokens) => {
    expect(ServePlan.safeParse({ ...plan, maxTokens }).success).toBe(false)
  })
})

describe('the notebook of a serving policy’s session', () => {
  it('has its own tags, and says that it wants a Python that can serve', () => {
    expect(rendered('kaggle').flatMap(({ tags }) => tags)).toEqual([...cellTags['serve-session']])
    expect(engineOf(renderNotebook(exampleOf('colab'), templates))).toBe('serve')
    expect(checkNotebook(renderNotebook(exampleOf('local'), templates))).toEqual([])
  })

  it('carries the conversation, the server and what joins them as they are in their templates', () => {
    const agent = rendered('local').find(({ tags }) => tags.includes('agent'))?.source ?? ''
    const carried = [...templates].filter(([path]) =>
      /^(?:session|serving|serving_session|serve)\//.test(path),
    )
    expect(carried.length).toBeGreaterThan(35)
    for (const [path, text] of carried) expect(agent.includes(text), path).toBe(true)
  })

  it('is one program that Python takes, its ticket taken out, where a machine is sent a script', () => {
    const { script, ticket } = scriptOf(renderNotebook(exampleOf('colab'), templates))
    expect(ticket).toBe('rzt_EXAMPLE')
    const at = [
      'TICKET = os.environ',
      'enrol_to_serve(CONTROL_URL',
      'fetch_adapter()',
      'session.serve()',
      'finish()',
    ]
    const found = at.map((word) => script.lastIndexOf(word))
    expect(found).toEqual(found.toSorted((a, b) => a - b))
    expect(found).not.toContain(-1)
  })

  it('tells the rules where it runs, and how it is reached', () => {
    const headerOf = (...of: Parameters<typeof exampleOf>) => rendered(...of)[0]?.source ?? ''
    expect(headerOf('colab')).toMatch(/FAQ forbids.*faq\.html/)
    expect(headerOf('kaggle')).toContain('GPU hour')
    expect(headerOf('kaggle')).toContain('Without a GPU it ends at once.')
    expect(headerOf('local')).toContain('suits a tiny base alone')
    expect(headerOf('local')).toContain('127.0.0.1')
    expect(headerOf('kaggle')).toContain('it calls the service for requests')
    expect(headerOf('local')).not.toContain('calls the service for requests')
    expect(headerOf('local', { plan: { ...plan, reach: 'tunnel' } })).toContain('on the open net')
    expect(headerOf('local')).toContain('never been executed on a GPU')
    expect(headerOf('local', { facts: null })).toContain('manifest 000000000000…')
  })
})
