import type { Adapter } from './adapter.ts'
import { versionOf } from './adapter.ts'
import type { Manifest } from './checkpoint.ts'

export interface CardFacts {
  readonly adapter: Adapter
  readonly manifest: Manifest
  /** Of its base; null where it is not known. */
  readonly licence: string | null
  /** Where it is loaded from, such as `ana/house`; null where the card is only looked at. */
  readonly repository: string | null
  /** The sessions that its run was made of, oldest first. */
  readonly sessions: readonly {
    readonly generation: number
    readonly provider: string
    readonly fromStep: number
    readonly toStep: number
  }[]
}

/** Licences as the Hub names them (huggingface.co/docs/hub/repositories-licenses, read 2026-11). */
const licenceNames: Readonly<Record<string, string>> = {
  'Apache-2.0': 'apache-2.0',
  MIT: 'mit',
  'Llama 3.1 Community License': 'llama3.1',
  'Gemma Terms of Use': 'gemma',
}

/**
 * The card of an adapter: YAML front matter as the Hub reads it, then what it is, what it was found worth, where it comes from and how
 * it is loaded. Names are untrusted: they stand as YAML strings and as text that Markdown does not interpret. Pure.
 */
export function cardOf(facts: CardFacts): string {
  const { adapter, manifest, licence, repository, sessions } = facts
  const { plan, env, metrics } = manifest
  const base = String(plan.base ?? adapter.base)
  const known = licence === null ? undefined : licenceNames[licence]
  const front = [
    '---',
    ...(isRepository(base) ? [`base_model: ${quoted(base)}`] : []),
    'library_name: peft',
    'pipeline_tag: text-generation',
    'tags:',
    '- lora',
    '- rodizio',
    `license: ${known ?? 'other'}`,
    ...(known === undefined && licence !== null ? [`license_name: ${quoted(licence)}`] : []),
    '---',
  ]
  const version = versionOf(adapter)
  const rows = (pairs: readonly (readonly [string, unknown])[]) =>
    pairs.flatMap(([name, value]) =>
      value === undefined || value === null ? [] : [`| ${name} | ${cell(value)} |`],
    )
  const begun = typeof plan.fromAdapter === 'string' ? plan.fromAdapter.slice(0, 16) : null
  const what = rows([
    ['base', `${base} at ${String(plan.revision ?? '?')}`],
    ['line', adapter.line],
    ['run', adapter.runName],
    ['steps', manifest.step],
    ['training data (SHA-256)', plan.dataSha256],
    ['began with the adapter', begun],
    ['manifest (SHA-256)', adapter.manifestSha256],
    ['promoted', adapter.state === 'promoted' ? adapter.why : `no: it is ${adapter.state}`],
  ])
  const settings = Object.entries(plan)
    .filter(([name]) => !['base', 'revision', 'dataSha256', 'fromAdapter'].includes(name))
    .map(
      ([name, value]) =>
        `| ${cell(name)} | ${cell(Array.isArray(value) ? value.join(', ') : value)} |`,
    )
  const libraries = Object.entries(env).map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`)
  const made = sessions.map(
    ({ generation, provider, fromStep, toStep }) =>
      `| ${generation} | ${cell(provider)} | ${fromStep} to ${toStep} |`,
  )
  return [
    ...front,
    '',
    `# ${text(adapter.line)} ${version}`,
    '',
    `LoRA weights for ${text(base)}, trained by Rodízio on GPU time that was lent. They are the adapter alone: the base is fetched apart.`,
    '',
    ...table(['', ''], what),
    '## What it was found worth',
    '',
    ...judgement(metrics),
    '## How it was trained',
    '',
    ...table(['setting', ''], settings),
    '## Where it comes from',
    '',
    ...table(['generation', 'provider', 'steps'], made),
    ...table(['library', 'version'], libraries),
    '## How it is loaded',
    '',
    ...loading(base, repository, version),
  ].join('\n')
}

function judgement(metrics: Readonly<Record<string, unknown>>): string[] {
  const evaluation = record(metrics.evaluation)
  const rows = (['base', 'current', 'candidate'] as const).flatMap((name) => {
    const { loss, perplexity } = record(evaluation[name])
    const called = name === 'current' ? 'the adapter that it began with' : name
    return typeof loss === 'number'
      ? [
          `| ${called === 'candidate' ? 'this adapter' : called} | ${fixed(loss)} | ${fixed(perplexity)} |`,
        ]
      : []
  })
  if (rows.length === 0) return ['Its run has left no judgement of it.', '']
  const count = typeof metrics.heldOutRows === 'number' ? `${metrics.heldOutRows} ` : ''
  return [
    `On ${count}conversations that nothing was trained on: nats per answer token, and its exponential.`,
    '',
    ...table(['', 'loss', 'perplexity'], rows),
  ]
}

function loading(base: string, repository: string | null, version: string): string[] {
  const from = repository ?? 'FOLDER'
  const at = repository === null ? '' : `, revision=${quoted(version)}`
  return [
    '```python',
    'from peft import PeftModel',
    'from transformers import AutoModelForCausalLM',
    '',
    `base = AutoModelForCausalLM.from_pretrained(${quoted(base)}, device_map='auto')`,
    `model = PeftModel.from_pretrained(base, ${quoted(from)}${at})`,
    '```',
    '',
    ...(repository === null
      ? []
      : [
          'Whole and checked by its hashes, onto the box that serves it:',
          '',
          '```',
          `rodizio pull --to /srv/adapter --from hub:${repository}@${version}`,
          '```',
          '',
        ]),
  ]
}

const table = (head: readonly string[], rows: readonly string[]): string[] =>
  rows.length === 0
    ? []
    : [`| ${head.join(' | ')} |`, `|${head.map(() => ' --- ').join('|')}|`, ...rows, '']

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

const fixed = (value: unknown): string => (typeof value === 'number' ? value.toFixed(4) : '-')

const isRepository = (base: string): boolean => /^[\w.-]+\/[\w.-]+$/.test(base)

/** On one line, without what Markdown or HTML would take for more than text. */
const text = (value: unknown): string =>
  plain(value)
    .replaceAll(/[\\`*_[\]|~$]/g, (mark) => `\\${mark}`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('://', ':&#47;&#47;') // no link of its own making

/** As `text`, of anything. */
const cell = (value: unknown): string =>
  text(typeof value === 'object' ? JSON.stringify(value) : value)

const plain = (value: unknown): string =>
  String(value)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 300)

/** A double-quoted string as JSON, YAML (yaml.org/spec/1.2.2, 7.3.1) and Python all read it. */
const quoted = (value: string): string =>
  JSON.stringify(plain(value)).replaceAll(
    /[<>&`[\]]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
