import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { serviceAddress } from '../../src/app/address.ts'
import { loadConfig } from '../../src/config/load.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { until } from '../emulators/kaggle-fixture.ts'
import { fakeCloudflared } from '../providers/cloudflared/fake.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const own = 'http://127.0.0.1:8787'

const addressIn = (folder: string, env: Record<string, string>, withTunnel = false) => {
  const told: string[] = []
  const address = serviceAddress({
    config: loadConfig({ RODIZIO_DATA_DIR: join(folder, 'data'), ...env }, folder),
    withTunnel,
    path: folder,
    clock: systemClock,
    told: ({ kind }) => told.push(kind),
    stop: new AbortController().signal,
  })
  return { address, told }
}

it.each([
  ['none is known', {}, false, undefined, own],
  [
    'it is configured',
    { RODIZIO_PUBLIC_URL: 'https://r.example' },
    true,
    'https://r.example',
    'https://r.example',
  ],
] as const)('is public or this machine alone: %s', async (_why, env, isPublic, known, used) => {
  using folder = temporaryFolder()
  const { address } = addressIn(folder.path, env)
  await address.open(own)
  expect(address.isPublic).toBe(isPublic)
  expect(address.public()).toBe(known)
  for (const provider of ['kaggle', 'local']) expect(address.forNotebook(provider)).toBe(used)
  expect(address.forTransfers()).toBe(used)
})

it('behind a tunnel is its address for sessions elsewhere alone, and none while it is made anew', async () => {
  using folder = temporaryFolder()
  const server = createServer((_request, response) => response.end('{"status":"ok"}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  fakeCloudflared(folder.path, { kind: 'proxies' })
  const { address, told } = addressIn(folder.path, {}, true)
  try {
    expect(address.isPublic).toBe(true)
    await address.open(url)
    const entered = address.public()
    expect(entered).toMatch(/^http:\/\/127/)
    expect(address.forNotebook('kaggle')).toBe(entered)
    expect(address.forNotebook('local')).toBe(url)
    expect(address.forTransfers()).toBe('')
    writeFileSync(join(folder.path, 'cloudflared'), '#!/nowhere\n') // nothing comes back
    process.kill(pidOf(folder.path), 'SIGKILL')
    await until('the loss', () => told.includes('down'))
    expect(address.public()).toBeUndefined()
    expect(() => address.forNotebook('colab')).toThrow(
      expect.objectContaining({ kind: 'unavailable', code: 'no_address' }),
    )
    expect(address.forNotebook('local')).toBe(url)
  } finally {
    await address.close()
    server.closeAllConnections()
    server.close()
  }
})

const pidOf = (folder: string): number =>
  (JSON.parse(readFileSync(join(folder, 'starts'), 'utf8')) as { pid: number }).pid
