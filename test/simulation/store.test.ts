import { expect, it } from 'vitest'
import type { Reduced } from '../../src/rotation/engine/reduce.ts'
import { builtInFaults, type Faults } from '../../src/simulation/faults.ts'
import type { Mirror } from '../../src/simulation/memory.ts'
import { evenings, type Scenario, usualScenario } from '../../src/simulation/scenario.ts'
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

/** Simulates beside a database that reduces the same events, and says how many of each kind there were. */
async function besideSqlite(scenario: Scenario, faults: Faults, weeks: number) {
  await using fresh = await freshDatabase()
  const { db } = fresh
  await seed(db, scenario.accounts, [])
  // Whether they serve is no part of what an account is made from.
  if (scenario.policy) await db.run('update accounts set serves = 1')
  for (const { owner } of scenario.accounts) {
    const hours = { zone: scenario.zone, waking: { from: 8, to: 23 } }
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
  const options = { weeks, seed: 1, faults, scenario }
  const mirrored = await simulate({ ...options, mirror })
  if (difference !== null) throw difference
  expect(mirrored).toEqual(await simulate(options))
  return kinds
}

it('SQLite answers every event of five weeks with every fault as the simulation’s memory does', async () => {
  // Nobody has accepted a rule of serving in this database.
  const accounts = usualScenario.accounts.map((account) => ({ ...account, serves: false }))
  const scenario = { ...usualScenario, accounts, stepsOfRun: 1500 }
  const kinds = await besideSqlite(scenario, builtInFaults('all'), 5)
  expect(kinds.get('committed')).toBeGreaterThan(500)
  expect(kinds.get('seek')).toBeGreaterThan(300)
  for (const kind of ['look', 'observed', 'launched', 'enrolled', 'heard', 'reported'])
    expect(kinds.get(kind), kind).toBeGreaterThan(0)
})

it('and those of nodes that go down, are restarted and replaced', async () => {
  const faults = {
    ...builtInFaults('all'),
    tunnelsLostPerServedHour: 0.5,
    serversHungPerServedHour: 0.5,
  }
  const scenario = { ...usualScenario, openRuns: 1, policy: evenings }
  const kinds = await besideSqlite(scenario, faults, 4)
  for (const kind of ['heard', 'restart-asked', 'node-lost', 'killed'])
    expect(kinds.get(kind), kind).toBeGreaterThan(3)
})
