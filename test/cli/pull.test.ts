import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type TinyAdapter, tinyAdapter } from '../artifacts/tiny-lora.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { insertDatasetVersion, type Left, leaveAdapter } from '../store/left-adapter.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
let db: Database
let box: ReturnType<typeof temporaryFolder>
let minute = 0
const at = () => new Date(Date.parse('2026-03-10T12:00:00Z') + minute * 60_000)

/** A run ends, and leaves that adapter in the store. */
async function leave(name: string, adapter: TinyAdapter, found: Left): Promise<void> {
  minute += 1
  const folder = join(service.folder, 'store', `runs/run_${name}/artifacts/candidate-g1`)
  mkdirSync(folder, { recursive: true })
  for (const [file, bytes] of adapter.files) writeFileSync(join(folder, file), bytes)
  writeFileSync(join(folder, 'manifest.json'), adapter.manifest)
  const { manifestSha256 } = adapter
  await leaveAdapter(db, name, at(), { ...found, manifestSha256 })
}

const first = tinyAdapter('one', { mark: 1 })
const second = tinyAdapter('two', { mark: 2 })

beforeAll(async () => {
  service = await runningService()
  box = temporaryFolder()
  db = openSqlite(`${service.folder}/rodizio.db`)
  await insertDatasetVersion(db, 'ds_one', 'split', at())
})
afterAll(async () => {
  await db.close()
  await service[Symbol.asyncDispose]()
  box[Symbol.dispose]()
})

const { run, json } = commandLine(() => service)
const to = () => join(box.path, 'adapter')
const served = () => readlinkSync(join(to(), 'current'))
const weights = () => readFileSync(join(to(), 'current', 'adapter_model.safetensors'))

it('says so when there is nothing to pull, and leaves nothing behind', async () => {
  expect(await run('pull', '--to', to())).toMatchObject({
    status: 3,
    err: expect.stringContaining('no adapter has been promoted yet (none_promoted)'),
  })
  expect(existsSync(join(to(), '.lock'))).toBe(false)
})

it('brings what is served, once, and all of it', async () => {
  await leave('one', first, { loss: 2 })
  const { out, err, status } = await run('pull', '--to', to())
  expect([status, err]).toEqual([0, ''])
  expect(out).toMatch(/^v1 of one is live: .*\/adapter\/versions\/v1 \(\d+ kB fetched\)\n$/)
  expect(served()).toBe('versions/v1')
  expect(readdirSync(join(to(), 'current')).toSorted()).toEqual([
    'README.md',
    'adapter_config.json',
    'adapter_model.safetensors',
    'manifest.json',
    'tokenizer_config.json',
  ])
  expect((await run('pull', '--to', to())).out).toContain('v1 of one is there already')
  expect(readdirSync(to()).toSorted()).toEqual(['.fetching', 'current', 'versions'])
})

it('has a command take the new one, and goes back when it will not', async () => {
  await leave('two', second, { loss: 1.9, from: first.manifestSha256, fromLoss: 2 })
  expect((await json('adapters', 'show', 'v2')).why).toContain('5.00 % below')
  const told = join(box.path, 'told')
  const only = `echo "$RODIZIO_VERSION $RODIZIO_MANIFEST_SHA256" >> ${told}; test $RODIZIO_VERSION = v1 || { echo no room >&2; exit 1; }`
  const failed = await run('pull', '--to', to(), '--exec', only)
  expect(failed.status).not.toBe(0)
  expect(failed.err).toContain('v2 could not be loaded')
  expect(failed.err).toContain('no room')
  expect(failed.err).toContain('v1 serves again')
  expect(served()).toBe('versions/v1')
  // Each by the hash of its own manifest.
  expect(readFileSync(told, 'utf8')).toBe(
    `v2 ${second.manifestSha256}\nv1 ${first.manifestSha256}\n`,
  )
  const log = join(box.path, 'log')
  const noting = `echo "$RODIZIO_VERSION $(cat "$RODIZIO_VERSION_DIR/README.md")" >> ${log}`
  expect((await run('pull', '--to', to(), '--exec', noting)).out).toContain('v2 of one is live')
  expect((await run('pull', '--to', to(), '--exec', noting)).out).toContain('is there already')
  expect(readFileSync(log, 'utf8')).toBe('v2 # two\n')
  expect(weights().equals(second.files.get('adapter_model.safetensors') ?? Buffer.alloc(0))).toBe(
    true,
  )
})

it('follows a rollback, and fetches nothing for it', async () => {
  await run('adapters', 'rollback')
  const result = await json('pull', '--to', to())
  expect(result).toMatchObject({ version: 'v1', fetched: 0, went: 'live' })
  expect(served()).toBe('versions/v1')
  expect((await run('pull', '--to', to(), '--version', 'v2')).err).toContain('v2 is rejected')
})

it('refuses what has been damaged in the store, and goes on serving', async () => {
  const broken = tinyAdapter('three', { mark: 3 })
  await leave('three', broken, { loss: 1.5, from: first.manifestSha256, fromLoss: 2 })
  await run('adapters', 'promote', 'v3')
  const folder = join(service.folder, 'store', 'runs/run_three/artifacts/candidate-g1')
  const path = join(folder, 'adapter_model.safetensors')
  writeFileSync(path, readFileSync(path).fill(9, 2000, 2001))
  expect((await run('pull', '--to', to())).err).toContain(
    'adapter_model.safetensors of version v3 is damaged where it comes from',
  )
  rmSync(path)
  expect((await run('pull', '--to', to())).err).toContain('has adapter_model.safetensors no longer')
  expect(served()).toBe('versions/v1')
  writeFileSync(path, broken.files.get('adapter_model.safetensors') ?? '')
  expect((await run('pull', '--to', to())).out).toContain('v3 of')
})

it('refuses flags that make no sense before anything is done', async () => {
  expect((await run('pull')).status).toBe(2)
  const both = ['--exec', 'true', '--server', 'http://127.0.0.1:1']
  expect((await run('pull', '--to', to(), ...both)).err).toContain('exclude each other')
  expect((await run('pull', '--to', to(), '--vllm', 'ftp://x')).err).toContain('is no web address')
  writeFileSync(join(box.path, 'taken'), '')
  mkdirSync(join(box.path, 'other', 'current'), { recursive: true })
  expect((await run('pull', '--to', join(box.path, 'other'))).err).toContain('is no link of ours')
})
