import { describe, expect, it } from 'vitest'
import type { Adapter } from '../../src/artifacts/adapter.ts'
import { type CardFacts, cardOf } from '../../src/artifacts/card.ts'
import { Manifest } from '../../src/artifacts/checkpoint.ts'
import { tinyAdapter } from './tiny-lora.ts'

const adapter: Adapter = {
  number: 3,
  line: 'house',
  runId: 'run_1',
  runName: 'house-3',
  label: 'candidate',
  generation: 2,
  step: 60,
  manifestSha256: 'a'.repeat(64),
  bytes: 1,
  base: 'mistralai/Mistral-7B-Instruct-v0.3',
  judged: null,
  state: 'promoted',
  score: null,
  why: 'its held-out loss is 5.00 % below that of v2',
  createdAt: new Date(0),
  decidedAt: null,
  decidedBy: null,
}
const plan = {
  base: adapter.base,
  revision: 'c170c708',
  loraRank: 16,
  targets: ['q_proj', 'v_proj'],
  dataSha256: 'd'.repeat(64),
}
const manifest = (changes: object = {}) =>
  Manifest.parse({
    ...JSON.parse(tinyAdapter('v3').manifest),
    step: 60,
    plan,
    env: { torch: '2.10.0', peft: '0.18.0' },
    metrics: {
      heldOutRows: 60,
      evaluation: {
        base: { loss: 2.5, perplexity: 12.18 },
        current: null,
        candidate: { loss: 1.9, perplexity: 6.69 },
      },
    },
    ...changes,
  })
const facts = (changes: Partial<CardFacts> = {}): CardFacts => ({
  adapter,
  manifest: manifest(),
  licence: 'Apache-2.0',
  repository: 'ana/house',
  sessions: [{ generation: 1, provider: 'kaggle', fromStep: 0, toStep: 40 }],
  ...changes,
})
const front = (card: string) => card.split('---\n')[1]

describe('the card of an adapter', () => {
  it('says what it is, where it comes from and how it is loaded', () => {
    const card = cardOf(facts())
    expect(front(card)).toBe(
      [
        'base_model: "mistralai/Mistral-7B-Instruct-v0.3"',
        'library_name: peft',
        'pipeline_tag: text-generation',
        'tags:',
        '- lora',
        '- rodizio',
        'license: apache-2.0',
        '',
      ].join('\n'),
    )
    expect(card).toContain('| base | 2.5000 | 12.1800 |\n| this adapter | 1.9000 | 6.6900 |')
    expect(card).toContain('On 60 conversations that nothing was trained on')
    expect(card).toContain(
      `| training data \\(SHA-256\\) | ${'d'.repeat(64)} |`.replaceAll('\\', ''),
    )
    expect(card).toContain('| loraRank | 16 |\n| targets | q\\_proj, v\\_proj |')
    expect(card).toContain('| 1 | kaggle | 0 to 40 |')
    expect(card).toContain('| torch | 2.10.0 |')
    expect(card).toContain('PeftModel.from_pretrained(base, "ana/house", revision="v3")')
    expect(card).toContain('rodizio pull --to /srv/adapter --from hub:ana/house@v3')
  })

  it.each([
    ['a licence of its own name', { licence: 'Gemma Terms of Use' }, 'license: gemma\n'],
    [
      'a licence that the Hub does not know',
      { licence: 'Our: Terms' },
      'license: other\nlicense_name: "Our: Terms"\n',
    ],
    ['no known licence', { licence: null }, 'license: other\n'],
  ])('names %s', (_what, changes, wanted) => {
    expect(front(cardOf(facts(changes)))).toContain(wanted)
  })

  it('leaves out what it does not know', () => {
    const card = cardOf(
      facts({ manifest: manifest({ metrics: {}, env: {} }), sessions: [], repository: null }),
    )
    expect(card).toContain('Its run has left no judgement of it.')
    expect(card).not.toContain('| generation |')
    expect(card).not.toContain('rodizio pull')
  })

  it('takes no name for more than text', () => {
    const bad = 'x"\n---\nlicense: mit\n| <script>alert(1)</script> [a](http://evil) `b` ```'
    const card = cardOf(
      facts({
        adapter: { ...adapter, line: bad, runName: bad, why: bad },
        manifest: manifest({ plan: { ...plan, base: bad, [bad]: bad }, env: { [bad]: bad } }),
        licence: bad,
        sessions: [{ generation: 1, provider: bad, fromStep: 0, toStep: 1 }],
      }),
    )
    expect(card.match(/^---$/gm)).toHaveLength(2)
    expect(card).not.toContain('<script>')
    expect(card).not.toMatch(/[^\\]\]\(/)
    const prose = card
      .split('---\n')[2]
      ?.split('\n')
      .filter((line) => !line.includes('from_pretrained('))
    expect(prose?.join('\n')).not.toContain('http://')
    expect(front(card)).not.toContain('base_model')
    expect(front(card)).not.toMatch(/^license: mit$/m)
    const rows = card.split('\n').filter((line) => line.startsWith('| '))
    expect(rows.every((row) => /[^\\]\|$/.test(row))).toBe(true)
    // The fence of the code closes where it shall: nothing opens another.
    expect(card.match(/^```/gm)).toHaveLength(4)
  })
})
