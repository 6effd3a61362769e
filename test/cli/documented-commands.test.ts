import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { main } from '../../src/cli/program.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const place = { root: new URL('../../', import.meta.url), entry: fileURLToPath(import.meta.url) }
const pages = [
  'README.md',
  'deploy/inference/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

interface Written {
  readonly page: string
  readonly words: readonly string[]
}

/** Command lines of a page, in its blocks and in its sentences: the words after the program's name, to the end of the command. */
function commandsIn(page: string): Written[] {
  const text = readFileSync(join(root, page), 'utf8')
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, block]) => block ?? '')
  const inline = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)]
  const lines = [
    ...blocks.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n')),
    ...inline.map(([, code]) => code?.replaceAll(/\s+/g, ' ') ?? ''),
  ]
  return lines.flatMap((line) =>
    [...line.matchAll(/(?:^|[\s;=])rodizio ([a-z][^#;|&>()]*)/g)].map(([, words]) => ({
      page,
      words: (words ?? '').trim().split(/\s+/),
    })),
  )
}

const asked = new Map<string, Promise<string>>()
/** What a command says of itself; undefined where there is no such command. */
function help(path: readonly string[]): Promise<string> {
  const name = path.join(' ')
  const known = asked.get(name)
  if (known) return known
  const answer = (async () => {
    const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    await main([...path, '--help'], place)
    const printed = out.mock.calls.map(([text]) => text).join('')
    vi.restoreAllMocks()
    return printed.startsWith(`Usage: rodizio ${name} `) ? printed : ''
  })()
  asked.set(name, answer)
  return answer
}

/** What is wrong with a written command: a word that is no command, a flag that it does not have. */
async function wrongWith({ words }: Written): Promise<string[]> {
  const path: string[] = []
  let said = ''
  for (const word of words) {
    if (!/^[a-z][a-z-]*$/.test(word)) break
    const deeper = await help([...path, word])
    if (deeper === '') break
    path.push(word)
    said = deeper
  }
  if (path.length === 0) return [`rodizio ${words[0]}`]
  const next = words[path.length] ?? ''
  const wantsMore = / \[command\]| <command>/.test(said.split('\n')[0] ?? '')
  const stray = wantsMore && /^[a-z]/.test(next) ? [`rodizio ${[...path, next].join(' ')}`] : []
  const flags = words.flatMap((word) => /^\[?(--[a-z][a-z-]*)/.exec(word)?.[1] ?? [])
  const unknown = flags.filter((flag) => !new RegExp(`${flag}\\b(?!-)`).test(said))
  return [...stray, ...unknown.map((flag) => `rodizio ${path.join(' ')} ${flag}`)]
}

describe('a command that is written down', () => {
  const written = pages.flatMap(commandsIn)

  it('is found: more than a hundred of them, in a dozen pages', () => {
    expect(written.length).toBeGreaterThan(100)
    expect(new Set(written.map(({ page }) => page)).size).toBeGreaterThan(8)
  })

  it('is one that the program has, with flags that it knows', async () => {
    const wrong: string[] = []
    for (const one of written) {
      for (const what of await wrongWith(one)) wrong.push(`${one.page}: ${what}`)
    }
    expect(wrong).toEqual([])
  })

  it.each([
    [['train', 'begin'], 'rodizio train begin'],
    [['teach'], 'rodizio teach'],
    [['up', '--detached'], 'rodizio up --detached'],
    [['token', 'create', 'x', '--scop', 'pull'], 'rodizio token create --scop'],
  ])('would be told if it were %j', async (words, what) => {
    expect(await wrongWith({ page: 'any', words })).toEqual([what])
  })

  it('of npm is a script of the project', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const named = pages.flatMap((page) =>
      [...readFileSync(join(root, page), 'utf8').matchAll(/npm run ([a-z][a-z0-9:]*)/g)].map(
        ([, name]) => name ?? '',
      ),
    )
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})
