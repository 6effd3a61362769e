import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { commandLine } from '../cli/command-line.ts'
import { type RunningService, runningService } from './service.ts'

let service: RunningService
let db: Database
beforeAll(async () => {
  service = await runningService()
  db = openSqlite(`${service.folder}/rodizio.db`)
})
afterAll(async () => {
  await db.close()
  await service[Symbol.asyncDispose]()
})

const { run, json } = commandLine(() => service)

describe('the audit log', () => {
  it('has a line for each call that would change something, with who made it and how it went', async () => {
    const made = await json('token', 'create', 'ops', '--scope', 'operator')
    const as = { headers: { authorization: `Bearer ${made.token}` } }
    await service.call('/v1/runs', { ...as, json: {} })
    await service.call('/v1/accounts', { ...as, json: { name: 'secret-in-a-body' } })
    await service.call('/v1/runs/nothing', { ...as, method: 'DELETE' })
    await fetch(`${service.url}/v1/runs`, { method: 'POST' }) // nobody
    await service.get('/v1/runs')
    const { items } = await json('audit', 'list')
    expect(
      items.map(({ number, who, what, outcome }: Record<string, unknown>) => [
        number,
        who,
        what,
        outcome,
      ]),
    ).toEqual([
      [4, 'ops', 'DELETE /v1/runs/nothing', 404],
      [3, 'ops', 'POST /v1/accounts', 403],
      [2, 'ops', 'POST /v1/runs', 400],
      [1, 'admin', 'POST /v1/tokens', 200],
    ])
    expect(JSON.stringify(items)).not.toContain('secret-in-a-body')
    expect((await run('audit', 'verify')).out).toBe('The audit log is whole: 4 lines\n')
  })

  it.each([
    [
      'an altered line',
      "update audit_log set who = 'nobody' where number = 2",
      'line 2 is not what',
    ],
    ['a removed line', 'delete from audit_log where number = 2', 'line 2 is missing'],
    [
      'the last line removed',
      'delete from audit_log where number = 4',
      'it ends with line 3, and went to 4',
    ],
    ['all of it removed', 'delete from audit_log', 'it ends with line 0, and went to 4'],
    [
      'two lines in each other’s place',
      'update audit_log set number = case number when 2 then -3 else -2 end where number in (2, 3); update audit_log set number = -number where number < 0',
      'line 2 is not what was written, or does not stand',
    ],
    ['another hash', "update audit_log set hash = '1' where number = 3", 'line 3 is not what'],
  ])('tells of %s', async (_what, sql, words) => {
    const rows = await db.all('select * from audit_log order by number')
    for (const statement of sql.split(';')) await db.run(statement)
    const found = await run('audit', 'verify')
    expect(found.status).not.toBe(0)
    expect(found.err).toContain('audit_broken')
    expect(found.err).toContain(words)
    await db.run('delete from audit_log')
    for (const row of rows) {
      const columns = Object.keys(row)
      await db.run(
        `insert into audit_log (${columns.join(', ')}) values (${columns.map((_, index) => `$${index + 1}`).join(', ')})`,
        ...(Object.values(row) as (string | number)[]),
      )
    }
    expect((await run('audit', 'verify')).status).toBe(0)
  })

  it('goes on in one chain, however many write at once', async () => {
    const many = Array.from({ length: 20 }, () =>
      service.call('/v1/runs/nothing', { method: 'DELETE' }),
    )
    await Promise.all(many)
    expect((await run('audit', 'verify')).out).toBe('The audit log is whole: 24 lines\n')
  })
})
