import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { ByteRange } from '../../../src/artifacts/artifact-store.ts'
import { missingRanges } from '../../../src/artifacts/missing-ranges.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { Remote } from '../../../src/providers/pull/get.ts'
import { download } from '../../../src/providers/pull/ranged-download.ts'

const content = randomBytes(300_000)
type Handler = (request: IncomingMessage, response: ServerResponse, asked: ByteRange | null) => void

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function server(handler: Handler) {
  const asked: { range: ByteRange | null; authorization: string | undefined }[] = []
  const made = createServer((request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const range = from === undefined ? null : { from: Number(from), to: Number(to) + 1 }
    asked.push({ range, authorization: request.headers.authorization })
    handler(request, response, range)
  })
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    made.closeAllConnections()
    made.close()
  })
  return { url: `http://127.0.0.1:${(made.address() as AddressInfo).port}/file`, asked }
}

/** Gives a range as it should be given. */
const given = (response: ServerResponse, range: ByteRange | null, most = Infinity): void => {
  const { from, to } = range ?? { from: 0, to: content.length }
  response.writeHead(range ? 206 : 200, {
    'content-length': to - from,
    ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${content.length}` } : {}),
  })
  if (to - from <= most) response.end(content.subarray(from, to))
  else {
    response.write(content.subarray(from, from + most))
    setTimeout(() => response.destroy(), 10)
  }
}

function target(held: ByteRange[] = []) {
  const bytes = Buffer.alloc(content.length)
  for (const { from, to } of held) content.copy(bytes, from, from, to)
  const holds = [...held]
  return {
    bytes,
    holds,
    held,
    write: async (chunk: Uint8Array, at: number) => void bytes.set(chunk, at),
    hold: async (range: ByteRange) => void holds.push(range),
  }
}

const fast = { ...systemClock, sleep: (_ms: number) => systemClock.sleep(1) }
const pulled = (
  remote: (isRefused: boolean) => Promise<Remote>,
  into = target(),
  changes: Partial<Parameters<typeof download>[1]> = {},
  bytes = content.length,
) =>
  download(
    { name: 'weights.bin', bytes, remote, into },
    { clock: fast, connections: 4, partBytes: 20_000, silenceMs: 2000, ...changes },
  ).then(() => into)
const at = (url: string) => async (): Promise<Remote> => ({
  url,
  headers: { authorization: 'Bearer secret' },
})

describe('a download', () => {
  it('asks for ranges at once, and leaves out what is there already', async () => {
    let open = 0
    let most = 0
    const { url, asked } = await server((_request, response, range) => {
      open += 1
      most = Math.max(most, open)
      response.on('close', () => {
        open -= 1
      })
      setTimeout(() => given(response, range), 5)
    })
    const into = await pulled(at(url), target([{ from: 40_000, to: 200_000 }]))
    expect(into.bytes.equals(content)).toBe(true)
    expect(most).toBe(4)
    expect(asked.every(({ range }) => range && (range.to <= 40_000 || range.from >= 200_000))).toBe(
      true,
    )
    expect(missingRanges(content.length, into.holds)).toEqual([])
  })

  it('goes on from the last byte when connections break', async () => {
    const { url, asked } = await server((_request, response, range) => given(response, range, 7000))
    const into = await pulled(at(url))
    expect(into.bytes.equals(content)).toBe(true)
    const again = asked.filter(({ range }) => range && range.from % 20_000 !== 0)
    expect(again.length).toBeGreaterThan(10)
  })

  it('reads a server without ranges in one go', async () => {
    const { url } = await server((_request, response) => given(response, null))
    const into = await pulled(at(url))
    expect(into.bytes.equals(content)).toBe(true)
    expect(missingRanges(content.length, into.holds)).toEqual([])
  })

  it('waits as it is asked to, and tries again after trouble of the server', async () => {
    let refusals = 3
    const waits: number[] = []
    const { url } = await server((_request, response, range) => {
      if (refusals > 0) {
        refusals -= 1
        response.writeHead(refusals === 2 ? 429 : 503, refusals === 2 ? { 'retry-after': '7' } : {})
        response.end()
      } else given(response, range)
    })
    const clock = { ...fast, sleep: async (ms: number) => void waits.push(ms) }
    const into = await pulled(at(url), target(), { clock, connections: 1 })
    expect(into.bytes.equals(content)).toBe(true)
    expect(waits).toEqual([7000, 1000, 2000])
  })

  it('asks for a fresh address once for all when the old one opens nothing', async () => {
    let fresh = 0
    const { url } = await server((request, response, range) => {
      if (request.headers.authorization === 'Bearer new') given(response, range)
      else response.writeHead(403).end()
    })
    const into = await pulled(async (isRefused) => {
      if (isRefused) fresh += 1
      return { url, headers: { authorization: `Bearer ${isRefused ? 'new' : 'old'}` } }
    })
    expect(into.bytes.equals(content)).toBe(true)
    expect(fresh).toBe(1)
  })

  it('gives its secret to nobody else by a redirect', async () => {
    const other = await server((_request, response, range) => given(response, range))
    const first = await server((_request, response) =>
      response.writeHead(302, { location: other.url }).end(),
    )
    const into = await pulled(at(first.url))
    expect(into.bytes.equals(content)).toBe(true)
    expect(first.asked[0]?.authorization).toBe('Bearer secret')
    expect(other.asked.filter(({ authorization }) => authorization !== undefined)).toEqual([])
  })

  it.each([
    [401, 'access_refused'],
    [404, 'file_gone'],
    [418, 'answer_unknown'],
    [429, 'rate_limited'],
    [500, 'server_error'],
  ])('says what a %i is, and what to do', async (status, code) => {
    const { url } = await server((_request, response) => response.writeHead(status).end())
    const failed = pulled(at(url))
    await expect(failed).rejects.toMatchObject({ code, next: expect.any(String) })
    await expect(failed).rejects.toThrow(/weights\.bin|127\.0\.0\.1/)
    await expect(failed).rejects.not.toThrow(/secret/)
  })

  it('gives up a server that says nothing, and keeps what has come', async () => {
    const { url } = await server((_request, response, range) => {
      if (range?.from === 0) given(response, range)
    })
    const into = target()
    await expect(pulled(at(url), into, { silenceMs: 30, connections: 2 })).rejects.toMatchObject({
      code: 'network',
    })
    expect(into.holds).toEqual([{ from: 0, to: 20_000 }])
  })

  it('refuses a file of another size before it has written past its end', async () => {
    const { url } = await server((_request, response, range) => given(response, range))
    await expect(pulled(at(url), target(), {}, content.length - 1)).rejects.toMatchObject({
      code: 'size_mismatch',
    })
  })

  it('stops when it is told to, with nothing written afterwards', async () => {
    const stop = new AbortController()
    const { url } = await server((_request, response, range) => {
      if (range && range.from >= 100_000) stop.abort()
      setTimeout(() => given(response, range), 5)
    })
    const into = target()
    let isOver = false
    const write = into.write
    const watched = {
      ...into,
      write: (chunk: Uint8Array, place: number) => {
        expect(isOver).toBe(false)
        return write(chunk, place)
      },
    }
    await expect(pulled(at(url), watched, { signal: stop.signal })).rejects.toThrow()
    isOver = true
    await systemClock.sleep(30)
  })
})
