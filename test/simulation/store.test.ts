import { expect, it } from 'vitest'
import type { Reduced } from '../../src/rotation/engine/reduce.ts'
import { builtInFaults } from '../../src/simulation/faults.ts'
import type { Mirror } from '../../src/simulation/memory.ts'
import { usualScenario } from '../../src/simulation/scenario.ts'
import { simulate } from '../../src/simulation/simulate.ts'
import { writePerson } from '../../src/store/person-rows.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { insertRun, readRun } from '../../src/store/run-rows.ts'
import { freshDatabase, seed } from '../store/fixture.ts'

/** What an event came to, in an order of its own: the same for whoever reduced it. */
const outcomeOf = ({ changes, effects, ...rest }: Reduced) => ({
  ...rest,
  effects: effects.map((effect) => JSON.stringify(effect)).toSorted(),
  runs: sorted(changes.runs),
  sessions: sorted(changes.sessions),
  accounts: sorted(changes.accounts),
  entries: changes.entries.map(({ id, gpuSeconds }) => `${id} ${gpuSeconds}`).toSorted(),
  checkpoints: changes.checkpoints.map(({ runId, step, generation }) => [runId, step, generation]),
  news: changes.news.map((news) => JSON.stringify(news)).toSorted(),
})

const sorted = (map: ReadonlyMap<string, unknown>): unknown[] =>
  [...map].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)

/** As it is stored; only the data set has another name there. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value).replaceAll('"datasetVersion":"none"', '"datasetVersion":"ds_one"'),
  )

it('SQLite answers every event of five weeks with every fault as the simulation’s memory does', async () => {
  await using fresh = await freshDatabase()
  const { db } = fresh
  // Nobody has accepted a rule of serving in this database.
  const accounts = usualScenario.accounts.map((account) => ({ ...account, serves: false }))
  await seed(db, accounts, [])
  for (const { owner } of usualScenario.accounts) {
    const hours = { zone: usualScenario.zone, waking: { from: 8, to: 23 } }
    await writePerson(db, owner, hours, '2026-01-03T00:00:00.000Z')
  }
  let at = new Date(0)
  const store = rotationStore(db, () => at)
  const kinds = new Map<string, number>()
  let difference: unknown = null
  const mirror: Mirror = {
    async put(run) {
      const asked = { ...run, datasetVersion: 'ds_one' }
      if (!(await readRun(db, run.id))) await insertRun(db, asked)
      else if (run.stopAsked)
        await db.run("update runs set stop_asked = 1, state = 'stopping' where id = $1", run.id)
    },
    async applied(input, now, reduced) {
      at = now
      kinds.set(input.kind, (kinds.get(input.kind) ?? 0) + 1)
      if (difference !== null) return
      try {
        const theirs = await store.apply(input)
        expect(plain(outcomeOf(theirs)), `${input.kind} at ${now.toISOString()}`).toEqual(
          plain(outcomeOf(reduced)),
        )
      } catch (error) {
        // The simulated service would only try again.
        difference = error
      }
    },
  }
  const scenario = { ...usualScenario, accounts, stepsOfRun: 1500 }
  const options = { weeks: 5, seed: 1, faults: builtInFaults('all'), scenario }
  const mirrored = await simulate({ ...options, mirror })
  if (difference !== null) throw difference
  expect(mirrored).toEqual(await simulate(options))
  expect(kinds.get('committed')).toBeGreaterThan(500)
  expect(kinds.get('seek')).toBeGreaterThan(300)
  for (const kind of ['look', 'observed', 'launched', 'enrolled', 'heard', 'reported'])
    expect(kinds.get(kind), kind).toBeGreaterThan(0)
})
