import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type RunningService, runningService } from '../http/service.ts'
import { insertDatasetVersion, leaveAdapter } from '../store/left-adapter.ts'
import { commandLine } from './command-line.ts'

let service: RunningService
beforeAll(async () => {
  service = await runningService()
  const db = openSqlite(`${service.folder}/rodizio.db`)
  const at = (minute: number) => new Date(Date.parse('2026-03-10T12:00:00Z') + minute * 60_000)
  await insertDatasetVersion(db, 'ds_one', 'split', at(0))
  await leaveAdapter(db, 'house', at(1), { loss: 2 })
  await leaveAdapter(db, 'house-2', at(2), { loss: 1.9, from: 'house', fromLoss: 2 })
  await leaveAdapter(db, 'house-3', at(3), { loss: 2.2, from: 'house-2', fromLoss: 1.9 })
  await db.close()
})
afterAll(() => service[Symbol.asyncDispose]())

const { run, json } = commandLine(() => service)

it('adapters are listed, shown and held beside each other', async () => {
  const { out } = await run('adapters', 'list')
  expect(out).toMatch(/^ +version +line +run +step +held-out loss +state +since\n/)
  expect(out).toMatch(/^ +v3 +house +house-3 +10 +2\.2000 +rejected/m)
  expect(out).toMatch(/^\* +v2 +house +house-2 +10 +1\.9000 +promoted/m)
  expect((await json('adapters', 'list', '--line', 'nobody')).items).toEqual([])
  expect((await run('adapters', 'show', 'v3')).out).toContain('15.79 % above that of v2')
  expect((await run('adapters', 'diff', 'v1', 'v2')).out).toMatch(
    /^held-out loss +2\.0000 +1\.9000$/m,
  )
  expect(await run('adapters', 'show', 'v9')).toMatchObject({
    status: 3,
    err: expect.stringContaining('there is no adapter "v9" (adapter_unknown)'),
  })
})

it('a person rolls back, promotes and rejects, with a reason that is kept', async () => {
  expect((await run('adapters', 'reject', 'v2')).err).toContain('is what the line house serves')
  expect((await run('adapters', 'rollback', '--why', 'it repeats itself')).out).toBe(
    'house serves v1 again, in place of v2\n',
  )
  expect((await run('adapters', 'show', 'v2')).out).toMatch(/why: +it repeats itself/)
  expect((await run('adapters', 'promote', 'v3')).out).toBe('house serves v3 now\n')
  expect((await run('adapters', 'rollback', 'house', '--to', 'v1')).out).toContain(
    'serves v1 again',
  )
  expect((await run('adapters', 'rollback', 'house')).status).not.toBe(0)
  const line = await json('adapters', 'line', 'house', '--policy', 'manual')
  expect(line).toMatchObject({ policy: 'manual', served: 'v1' })
  expect((await run('adapters', 'line', 'house')).out).toMatch(
    /^house: a person decides; it serves v1\n.*rolled back to v1/,
  )
  expect((await run('adapters', 'line', 'house', '--policy', 'never')).status).toBe(2)
})
