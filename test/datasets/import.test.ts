import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { importDataset } from '../../src/datasets/import.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { datasetFiles } from '../../src/store/dataset-files.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const row = (n: number | string, answer = 'sim') =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `pergunta ${n}` },
      { role: 'assistant', content: answer },
    ],
  })

async function* stream(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

async function take(root: string, body: AsyncIterable<Uint8Array>, strict = false) {
  const files = datasetFiles(root)
  return importDataset(body, await files.stage(), strict)
}

const linesOf = (root: string, version: string, split: string) =>
  readFileSync(join(root, version, `${split}.jsonl`), 'utf8')
    .split('\n')
    .filter(Boolean)

const left = (root: string) => readdirSync(root).filter((name) => name !== 'rejects')

describe('an import', () => {
  it('stores every good line in one of two files, which are what they say they are', async () => {
    using folder = temporaryFolder()
    const rows = Array.from({ length: 200 }, (_, i) => row(i))
    const { version, rejected } = await take(folder.path, stream(`${rows.join('\n')}\n`))
    const train = linesOf(folder.path, version.version, 'train')
    const validation = linesOf(folder.path, version.version, 'validation')
    expect([...train, ...validation].toSorted()).toEqual(rows.toSorted())
    expect([version.train.rows, version.validation.rows]).toEqual([train.length, validation.length])
    expect(validation.length).toBeGreaterThan(0)
    const bytes = readFileSync(join(folder.path, version.version, 'train.jsonl'))
    expect(version.train).toMatchObject({ bytes: bytes.length, sha256: sha256Hex(bytes) })
    expect(rejected).toBe(0)
    expect(left(folder.path)).toEqual([version.version])
  })

  it.each([
    ['LF', (rows: string[]) => `${rows.join('\n')}\n`],
    ['CRLF', (rows: string[]) => `${rows.join('\r\n')}\r\n`],
    ['a byte order mark', (rows: string[]) => `\ufeff${rows.join('\n')}\n`],
    ['no final line end', (rows: string[]) => rows.join('\n')],
    ['blank lines', (rows: string[]) => `\n${rows.join('\n\n \r\n')}\n\n`],
    ['other spacing', (rows: string[]) => rows.map((r) => r.replaceAll(':', ' : ')).join('\n')],
  ])('gives the same version for the same conversations: %s', async (_why, written) => {
    using folder = temporaryFolder()
    const rows = Array.from({ length: 40 }, (_, i) => row(i))
    const plain = await take(folder.path, stream(`${rows.join('\n')}\n`))
    const other = await take(folder.path, stream(written(rows)))
    expect(other.version).toEqual(plain.version)
    expect(other.rejected).toBe(0)
    expect(left(folder.path)).toEqual([plain.version.version])
  })

  it('gives another version for one conversation more', async () => {
    using folder = temporaryFolder()
    const first = await take(folder.path, stream(`${row(1)}\n`))
    const second = await take(folder.path, stream(`${row(1)}\n${row(2)}\n`))
    expect(second.version.version).not.toBe(first.version.version)
  })

  it('never moves a conversation across when others are added', async () => {
    using folder = temporaryFolder()
    const numbers = fc.uniqueArray(fc.nat(300), { minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(numbers, numbers, async (before, added) => {
        const body = (list: number[]) => stream(`${list.map((n) => row(n)).join('\n')}\n`)
        const old = await take(folder.path, body(before))
        const grown = await take(folder.path, body([...added, ...before]))
        for (const split of ['train', 'validation'] as const) {
          const now = linesOf(folder.path, grown.version.version, split)
          expect(now).toEqual(
            expect.arrayContaining(linesOf(folder.path, old.version.version, split)),
          )
        }
      }),
      { numRuns: 30 },
    )
  })

  it('sets every bad line aside with its number, its reason and its text', async () => {
    using folder = temporaryFolder()
    const long = `{"messages": "${'x'.repeat(1024 * 1024)}"}`
    const parts: (string | Uint8Array)[] = [
      `${row(1)}\n`, // 1
      '{"messages": [\n', // 2
      '\n', // 3
      Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]), // 4
      `${row(2)}\r\n`, // 5
      `${row(3, ' ')}\n`, // 6
      `${long}\n`, // 7
      '{"messages":[{"role":"assistant","content":"a"},{"role":"user","content":"b"}]}\n', // 8
      row(4), // 9
    ]
    const result = await take(folder.path, stream(...parts))
    expect(result.rejected).toBe(5)
    expect(result.rejects.map(({ line, reason }) => [line, reason])).toEqual([
      [2, expect.stringMatching(/^not JSON/)],
      [4, 'not UTF-8'],
      [6, 'messages.1 (assistant) is empty'],
      [7, `the line has ${long.length} bytes, more than the cap of 1 MB`],
      [8, expect.stringMatching(/expected user/)],
    ])
    expect(result.version.train.rows + result.version.validation.rows).toBe(3)
    const kept = readFileSync(result.rejectsPath ?? '', 'utf8')
    const told = kept
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { line: number; text: string })
    expect(told.map(({ line }) => line)).toEqual([2, 4, 6, 7, 8])
    expect(told[0]?.text).toBe('{"messages": [')
    expect(told[3]?.text.length).toBe(1024)
  })

  it('tells the first twenty bad lines and counts them all', async () => {
    using folder = temporaryFolder()
    const result = await take(folder.path, stream(`${row(1)}\n${'bad\n'.repeat(30)}`))
    expect(result.rejects).toHaveLength(20)
    expect(result.rejected).toBe(30)
    expect(
      readFileSync(result.rejectsPath ?? '', 'utf8')
        .trim()
        .split('\n'),
    ).toHaveLength(30)
  })

  it('has no rejects file when nothing was set aside', async () => {
    using folder = temporaryFolder()
    expect((await take(folder.path, stream(row(1)))).rejectsPath).toBeNull()
    expect(existsSync(join(folder.path, 'rejects'))).toBe(false)
  })

  it.each([
    ['an empty file', '', false, 'dataset_empty', /the file is empty/],
    ['a byte order mark alone', '\ufeff', false, 'dataset_empty', /the file is empty/],
    ['only blank lines', '\n\n \r\n', false, 'dataset_empty', /the file is empty/],
    ['only bad lines', 'a\nb\n', false, 'dataset_empty', /none of the 2 lines .*line 1: not JSON/],
    ['one bad line, strict', `${row(1)}\nbad\n`, true, 'dataset_rejected', /line 2: not JSON/],
  ])('takes nothing of %s, and says why', async (_why, text, strict, code, message) => {
    using folder = temporaryFolder()
    const failing = take(folder.path, stream(text), strict)
    await expect(failing).rejects.toMatchObject({ kind: 'invalid', code })
    await expect(take(folder.path, stream(text), strict)).rejects.toThrow(message)
    expect(left(folder.path)).toEqual([])
  })

  it('leaves nothing behind when the sender breaks off', async () => {
    using folder = temporaryFolder()
    async function* broken() {
      yield Buffer.from(`${row(1)}\n`)
      throw new Error('connection lost')
    }
    await expect(take(folder.path, broken())).rejects.toThrow('connection lost')
    expect(left(folder.path)).toEqual([])
  })

  it('sweeps away what an import that died has left, and no version', async () => {
    using folder = temporaryFolder()
    const files = datasetFiles(folder.path)
    const { version } = await take(folder.path, stream(row(1)))
    const staging = await files.stage()
    await staging.add('train', row(2))
    await datasetFiles(folder.path).sweep()
    expect(left(folder.path)).toEqual([version.version])
    await staging.drop()
  })

  it('sweeps away nothing of an import that goes on', async () => {
    using folder = temporaryFolder()
    const files = datasetFiles(folder.path)
    const staging = await files.stage()
    await staging.add('train', row(1))
    await files.sweep()
    const { version } = await staging.keep()
    expect(left(folder.path)).toEqual([version])
  })

  it('reads a part of a file, the empty one of an empty file included', async () => {
    using folder = temporaryFolder()
    const files = datasetFiles(folder.path)
    const { version } = await take(folder.path, stream(row(1)))
    const [empty, full] =
      version.train.rows === 0
        ? (['train', 'validation'] as const)
        : (['validation', 'train'] as const)
    const read = async (file: string, from: number, to: number) => {
      const parts: Uint8Array[] = []
      for await (const part of files.read(version.version, `${file}.jsonl`, from, to))
        parts.push(part)
      return Buffer.concat(parts).toString()
    }
    expect(await read(empty, 0, 0)).toBe('')
    expect(await read(full, 2, 10)).toBe('messages')
  })
})
