import { expect, it } from 'vitest'
import { readEvents } from '../../src/store/event-rows.ts'
import { runBook } from '../../src/store/run-book.ts'
import { readRun } from '../../src/store/run-rows.ts'
import { freshDatabase, runOf, seed, start } from './fixture.ts'

const now = () => new Date(start)

it('a run that is over keeps its priority, and it is said why', async () => {
  await using fresh = await freshDatabase()
  const over = runOf('over', { priority: 3, state: 'completed', endedAt: now() })
  await seed(fresh.db, [], [over])
  const setting = runBook(fresh.db, now).setPriority('over', 9)
  await expect(setting).rejects.toMatchObject({
    kind: 'conflict',
    code: 'run_over',
    message: 'run over is completed: nothing of it is planned any more',
  })
  expect((await readRun(fresh.db, 'over'))?.priority).toBe(3)
})

it('the same priority again is not told again', async () => {
  await using fresh = await freshDatabase()
  await seed(fresh.db, [], [runOf('one')])
  const { setPriority } = runBook(fresh.db, now)
  expect(await setPriority('one', 0)).toMatchObject({ priority: 0 })
  expect(await setPriority('one', -100)).toMatchObject({ priority: -100 })
  expect(await setPriority('run_one', -100)).toMatchObject({ priority: -100 })
  expect(await readEvents(fresh.db, 0, 10)).toMatchObject([
    { kind: 'run.priority_set', runId: 'run_one', data: { run: 'one', priority: -100, before: 0 } },
  ])
  expect((await readRun(fresh.db, 'one'))?.priority).toBe(-100)
})
