import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openSqlite } from '../../src/store/sqlite.ts'
import { loraTensors, safetensors, type TinyAdapter, tinyAdapter } from '../artifacts/tiny-lora.ts'
import { runningService } from '../http/service.ts'
import { insertDatasetVersion, leaveAdapter } from '../store/left-adapter.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { randomFrom } from './random-from.ts'
import { commandFlags, program } from './service.ts'

const kills = 50

/** Two promoted versions of one line, 16 MB each, in the store of that service; the second is served. */
async function twoVersions(data: string): Promise<readonly TinyAdapter[]> {
  const db = openSqlite(join(data, 'rodizio.db'))
  const at = new Date()
  await insertDatasetVersion(db, 'ds_one', 'split', at)
  const made = [1, 2].map((mark) => {
    const weights = safetensors(loraTensors(16, 2048, 32), mark) // 16 MB
    const config = { peft_type: 'LORA', r: 16, target_modules: ['q_proj', 'v_proj'] }
    return tinyAdapter(`v${mark}`, {
      mark,
      files: {
        'adapter_model.safetensors': weights,
        'adapter_config.json': Buffer.from(JSON.stringify(config)),
      },
    })
  })
  for (const [index, adapter] of made.entries()) {
    const folder = join(data, 'store', `runs/run_r${index}/artifacts/candidate-g1`)
    mkdirSync(folder, { recursive: true })
    for (const [name, bytes] of adapter.files) writeFileSync(join(folder, name), bytes)
    writeFileSync(join(folder, 'manifest.json'), adapter.manifest)
    const found = { manifestSha256: adapter.manifestSha256, loss: 2 - index / 10 }
    const before = made[0]?.manifestSha256 ?? ''
    const from = index === 0 ? {} : { from: before, fromLoss: 2 }
    await leaveAdapter(db, `r${index}`, new Date(at.getTime() + index * 1000), {
      ...found,
      ...from,
    })
  }
  await db.close()
  return made
}

it('a pull that is killed at fifty random moments leaves current on a whole version', async () => {
  const seed = Date.now() % 1_000_000
  const random = randomFrom(seed)
  await using service = await runningService()
  using box = temporaryFolder()
  const made = await twoVersions(service.folder)
  const to = join(box.path, 'adapter')
  const env = {
    PATH: process.env.PATH ?? '',
    RODIZIO_URL: service.url,
    RODIZIO_TOKEN: service.adminToken,
    RODIZIO_DATA_DIR: service.folder,
  }
  const begin = () =>
    spawn(process.execPath, [...commandFlags, program, 'pull', '--to', to, '--quiet'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const toTheEnd = async () => {
    const child = begin()
    let said = ''
    child.stderr.on('data', (part) => {
      said += part
    })
    const [status] = await once(child, 'close')
    expect([status, said], `seed ${seed}`).toEqual([0, ''])
  }
  const wholeVersion = () => {
    const version = readlinkSync(join(to, 'current')).replace('versions/', '')
    const adapter = made.find((one) => one.version === version)
    const names = readdirSync(join(to, 'current')).toSorted()
    expect(names, `seed ${seed}`).toEqual(
      [...(adapter?.files.keys() ?? []), 'manifest.json'].toSorted(),
    )
    for (const [name, bytes] of adapter?.files ?? []) {
      expect(readFileSync(join(to, 'current', name)).equals(bytes), `${name}, seed ${seed}`).toBe(
        true,
      )
    }
    return version
  }
  const promote = (version: string) =>
    service.call(`/v1/adapters/${version}/promotion`, { json: { by: 'test' } })

  const began = performance.now()
  await promote('v1')
  await toTheEnd()
  const wholeMs = performance.now() - began
  const seen = new Set<string>()
  let died = 0
  for (let round = 0; round < kills; round += 1) {
    // Half of them anew, half of them going on where the last one died.
    if (round % 2 === 0) {
      const next = wholeVersion() === 'v1' ? 'v2' : 'v1'
      await promote(next)
      await import('node:fs/promises').then(({ rm }) =>
        rm(join(to, 'versions', next), { recursive: true, force: true }),
      )
    }
    const child = begin()
    const ended = once(child, 'exit')
    await delay(random() * wholeMs * 1.1)
    if (child.exitCode === null) {
      child.kill('SIGKILL')
      died += 1
    }
    await ended
    seen.add(wholeVersion())
  }
  expect(died).toBeGreaterThan(kills / 2)
  expect([...seen].toSorted()).toEqual(['v1', 'v2'])
  await toTheEnd()
  const { version } = (await service.get('/v1/served-adapter')) as { version: string }
  expect(wholeVersion()).toBe(version)
  // Nothing of all that died lies about.
  await toTheEnd()
  expect(readdirSync(to).filter((name) => name.startsWith('.current-'))).toEqual([])
}, 180_000)

it('a pull that watches has what is promoted served within seconds, by a token for that alone', async () => {
  await using service = await runningService()
  using box = temporaryFolder()
  await twoVersions(service.folder)
  const made = await service.call('/v1/tokens', { json: { name: 'box', scopes: ['pull'] } })
  const { token } = (await made.json()) as { token: string }
  const to = join(box.path, 'adapter')
  const log = join(box.path, 'log')
  writeFileSync(log, '')
  const env = {
    PATH: process.env.PATH ?? '',
    RODIZIO_URL: service.url,
    RODIZIO_TOKEN: token,
    RODIZIO_DATA_DIR: box.path,
  }
  const exec = `echo "$RODIZIO_VERSION" >> ${log}`
  const child = spawn(
    process.execPath,
    [...commandFlags, program, 'pull', '--to', to, '--watch', '--exec', exec, '--json'],
    { env, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    const taken = () => readFileSync(log, 'utf8').trim().split('\n')
    const waitFor = async (version: string) => {
      const began = performance.now()
      while (taken().at(-1) !== version) {
        expect(performance.now() - began, `${version} is not served`).toBeLessThan(20_000)
        await delay(20)
      }
      return performance.now() - began
    }
    await waitFor('v2')
    // Told at once, by the call that waits: within five seconds, the reload included.
    await service.call('/v1/adapter-lines/r0/rollbacks', { json: { by: 'test' } })
    expect(await waitFor('v1')).toBeLessThan(5000)
    await service.call('/v1/adapters/v2/promotion', { json: { by: 'test' } })
    expect(await waitFor('v2')).toBeLessThan(5000)
    expect(taken()).toEqual(['v2', 'v1', 'v2'])
    await delay(3000) // it waits at the service now
    const asked = performance.now()
    child.kill('SIGTERM')
    const [status] = await once(child, 'exit')
    expect(status).toBe(0)
    expect(performance.now() - asked).toBeLessThan(3000)
    expect(readdirSync(to)).not.toContain('.lock')
  } finally {
    child.kill('SIGKILL')
  }
}, 60_000)
