import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { reload } from '../../../src/providers/pull/reload.ts'

const version = { name: 'v2', path: '/srv/adapter/versions/v2', manifestSha256: 'a'.repeat(64) }
interface Call {
  readonly path: string
  readonly body: Record<string, unknown>
  readonly authorization: string | undefined
}
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function server(answer: (call: Call) => [number, string] | null) {
  const calls: Call[] = []
  const made = createServer((request, response) => {
    let text = ''
    request.on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      const { authorization } = request.headers
      const call = { path: request.url ?? '', body: JSON.parse(text), authorization }
      calls.push(call)
      const given = answer(call)
      if (given) response.writeHead(given[0]).end(given[1])
    })
  })
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    made.closeAllConnections()
    made.close()
  })
  return { url: `http://127.0.0.1:${(made.address() as AddressInfo).port}`, calls }
}

describe('our own server', () => {
  it('is told the version and the hash of its manifest', async () => {
    const { url, calls } = await server(() => [200, '{}'])
    await reload({ kind: 'server', url: `${url}/`, key: 'rzk_1' }, version)
    expect(calls).toEqual([
      {
        path: '/adapters/load',
        body: { version: 'v2', sha256: 'a'.repeat(64) },
        authorization: 'Bearer rzk_1',
      },
    ])
  })

  it('that refuses is heard, without control characters', async () => {
    const { url } = await server(() => [409, 'adapter\u001b[31m of another\nbase'])
    const asked = reload({ kind: 'server', url, key: 'rzk_1' }, version)
    await expect(asked).rejects.toMatchObject({ code: 'reload_refused' })
    await expect(asked).rejects.toThrow('answered 409: adapter [31m of another base')
    await expect(asked).rejects.not.toThrow('rzk_1')
  })

  it('that is gone, or says nothing, is told so', async () => {
    await expect(
      reload({ kind: 'server', url: 'http://127.0.0.1:1', key: null }, version),
    ).rejects.toMatchObject({ code: 'network' })
    const { url } = await server(() => null)
    await expect(reload({ kind: 'server', url, key: null }, version, 50)).rejects.toMatchObject({
      code: 'reload_late',
    })
  })
})

describe('vLLM', () => {
  const by = (url: string) => ({ kind: 'vllm' as const, url, key: null, name: 'house' })

  it('takes a version in place of the one before', async () => {
    const { url, calls } = await server(() => [200, 'Success'])
    await reload(by(url), version)
    expect(calls.map(({ path, body }) => [path, body])).toEqual([
      [
        '/v1/load_lora_adapter',
        { lora_name: 'house', lora_path: version.path, load_inplace: true },
      ],
    ])
  })

  it('of an older version lets the old one go first', async () => {
    const loaded = new Set(['house'])
    const { url, calls } = await server(({ path, body }) => {
      if (path === '/v1/unload_lora_adapter') loaded.delete(String(body.lora_name))
      else if (loaded.has('house'))
        return [400, "The lora adapter 'house' has already been loaded."]
      return [200, 'Success']
    })
    await reload(by(url), version)
    expect(calls.map(({ path }) => path)).toEqual([
      '/v1/load_lora_adapter',
      '/v1/unload_lora_adapter',
      '/v1/load_lora_adapter',
    ])
  })

  it('that may not load at runtime says so', async () => {
    const { url } = await server(() => [404, 'Not Found'])
    await expect(reload(by(url), version)).rejects.toThrow('answered 404: Not Found')
  })
})

describe('a command', () => {
  const by = (command: string) => ({
    kind: 'exec' as const,
    command,
    environment: { PATH: process.env.PATH },
  })

  it('is told what to take', async () => {
    const command = 'test "$RODIZIO_VERSION:$RODIZIO_VERSION_DIR" = v2:/srv/adapter/versions/v2'
    await reload(by(command), version)
    await reload(by(`test "$RODIZIO_MANIFEST_SHA256" = ${'a'.repeat(64)}`), version)
  })

  it('that fails is heard', async () => {
    await expect(reload(by('echo out of memory >&2; exit 3'), version)).rejects.toThrow(
      'the command of --exec ended with 3: out of memory',
    )
  })

  it('that does not end is ended with all that it began', async () => {
    await expect(reload(by('sleep 30 & wait'), version, 100)).rejects.toMatchObject({
      code: 'reload_late',
    })
  })
})
