import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Line, lines } from '../../src/datasets/lines.ts'

async function* stream(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

async function all(body: AsyncIterable<Uint8Array>, cap?: number): Promise<Line[]> {
  const found: Line[] = []
  for await (const line of lines(body, cap)) found.push(line)
  return found
}

const shown = (found: Line[]) =>
  found.map((line) =>
    line.kind === 'line'
      ? [line.number, Buffer.from(line.bytes).toString()]
      : [line.number, line.size, Buffer.from(line.head).toString()],
  )

describe('a stream cut into lines', () => {
  it.each([
    [
      'LF',
      'a\nb\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'CRLF',
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'no line end at the end',
      'a\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'a byte order mark',
      '\ufeffa\nb\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    ['a byte order mark alone', '\ufeff\na\n', [[2, 'a']]],
    [
      'empty lines are counted and left out',
      '\n\na\n\r\n \t\nb\n\n',
      [
        [3, 'a'],
        [6, 'b'],
      ],
    ],
    ['nothing', '', []],
    ['only line ends', '\n\r\n\n', []],
    ['a carriage return inside', 'a\rb\n', [[1, 'a\rb']]],
    [
      'a line of exactly the cap',
      '01234567\na\n',
      [
        [1, '01234567'],
        [2, 'a'],
      ],
    ],
    [
      'a line over the cap',
      '012345678\na\n',
      [
        [1, 9, '01234567'],
        [2, 'a'],
      ],
    ],
    [
      'a line over the cap at the end',
      'a\n012345678',
      [
        [1, 'a'],
        [2, 9, '01234567'],
      ],
    ],
  ])('%s', async (_why, text, expected) => {
    expect(shown(await all(stream(text), 8))).toEqual(expected)
  })

  it('gives the same lines however the bytes arrive', async () => {
    const pieces = fc.constantFrom(
      '\n',
      '\r\n',
      '\ufeff',
      'ação',
      '{}',
      ' ',
      '\r',
      '0123456789',
      '',
    )
    const cuts = fc.array(fc.nat(60), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 12 }), cuts, async (parts, at) => {
        const whole = Buffer.from(parts.join(''))
        const edges = [0, ...at.toSorted((a, b) => a - b), whole.length]
        const chunks = edges.slice(1).map((to, i) => whole.subarray(edges[i], to))
        expect(shown(await all(stream(...chunks), 8))).toEqual(shown(await all(stream(whole), 8)))
      }),
      { numRuns: 500 },
    )
  })

  it('keeps its lines when the stream uses its buffer again', async () => {
    async function* reusing() {
      const buffer = Buffer.from('ab')
      yield buffer
      buffer.write('cd')
      yield buffer
    }
    expect(shown(await all(reusing()))).toEqual([[1, 'abcd']])
  })

  it('holds no more of an endless line than the cap', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const total = 30 * 1024 * 1024
    let most = 0
    async function* endless() {
      const before = process.memoryUsage().arrayBuffers
      for (let sent = 0; sent < total; sent += chunk.length) {
        yield chunk
        most = Math.max(most, process.memoryUsage().arrayBuffers - before)
      }
    }
    const [line] = await all(endless())
    expect(line).toMatchObject({ kind: 'too-long', number: 1, size: total })
    expect(line?.kind === 'too-long' && line.head.byteLength).toBe(1024)
    expect(most).toBeLessThan(3 * 1024 * 1024)
  })
})
