import type { Account } from '../rotation/account.ts'
import type { News } from '../rotation/engine/changes.ts'
import { defaultOptions, isOpen } from '../rotation/run.ts'
import { desk } from './desk.ts'
import { type Faults, hasNodeFaults } from './faults.ts'
import { type Mirror, memory } from './memory.ts'
import { colabModel } from './models/colab.ts'
import { kaggleModel } from './models/kaggle.ts'
import type { Notebook } from './models/notebook.ts'
import { notebooks } from './models/notebooks.ts'
import { person } from './models/person.ts'
import { naive } from './naive.ts'
import { type Oracle, oracle, type Violations } from './oracle.ts'
import { prober } from './prober.ts'
import { stream } from './random.ts'
import { policyOf, priorOf, runOf, type Scenario } from './scenario.ts'
import {
  availability,
  boundMs,
  grantedWeeks,
  mostAtOnce,
  type Span,
  type Spent,
  spentHours,
} from './score.ts'
import { service } from './service.ts'
import { virtualTime } from './virtual-time.ts'

const hourMs = 3_600_000
const weekMs = 168 * hourMs
/** A Saturday, when Kaggle's week begins. */
const startMs = Date.UTC(2026, 0, 3)
/** From one heartbeat to the next; one is missed when it is a quarter late. */
const beatMs = 60_000
const missedMs = 75_000
/** After the last week everything is asked to end, and given so long. */
const drainMs = 3 * 24 * hourMs

export interface SimulateOptions {
  readonly weeks: number
  readonly seed: number
  readonly faults: Faults
  readonly scenario: Scenario
  /** Without the planner: the obvious loop in its place, for comparison. */
  readonly isNaive?: boolean
  /** Told of every event, as the service's log would be. */
  readonly told?: (news: News, at: Date) => void
  /** A memory beside the simulation's own, which it can be held to. */
  readonly mirror?: Mirror
  /** Told now and then how far it is, from 0 to 1. */
  readonly progress?: (share: number) => void
}

export interface SimulatedRun {
  readonly name: string
  readonly hours: number
  readonly makespanHours: number
  /** The earliest that hours and speed allow. */
  readonly boundHours: number
}

export interface Simulated {
  readonly hours: { readonly granted: number; readonly used: number; readonly wasted: number }
  readonly steps: { readonly done: number; readonly bound: number; readonly redone: number }
  readonly longestStallHours: number
  /** Null where nothing is to be served. */
  readonly servingAvailability: number | null
  /** Nodes that could be reached at the same time, at the most: two while one hands over to the next. */
  readonly nodesAtOnce: number
  readonly violations: Violations
  readonly spent: Spent
  /** Machines that ran. */
  readonly sessions: number
  /** Sessions that were planned; from some no machine came. */
  readonly planned: number
  /** Looks of the service at the world, and things that happened besides. */
  readonly ticks: number
  readonly events: number
  /** Of the runs that were completed, in order. */
  readonly runs: readonly SimulatedRun[]
}

/**
 * Runs the real engine in virtual time against models of the providers. The same options give the same result.
 * `hours.granted` is what the providers granted less the safety margin; `used` was spent training, saving or serving; the rest
 * of what was granted is `wasted`: starts, steps done twice, waiting, and hours that nobody took.
 */
export async function simulate(options: SimulateOptions): Promise<Simulated> {
  const { weeks, seed, faults, scenario } = options
  const time = virtualTime(startMs)
  const endMs = startMs + weeks * weekMs
  const watch: Oracle = oracle(isPunctual(faults))
  const spellLuck = stream(seed, 'store')
  let isAway = false
  const isDown = () => serves.isDown() || isAway
  let hasNews = true
  const applied: typeof watch.applied = (reduced, state, at) => {
    watch.applied(reduced, state, at)
    for (const run of reduced.changes.runs.values()) if (run.endedAt) hasNews = true
    if (options.told) for (const news of reduced.changes.news) options.told(news, at)
  }
  const mind = memory({
    now: () => time.date(),
    isAway: () => isAway,
    applied,
    mirror: options.mirror,
  })
  const plane = desk(mind, watch, () => time.date())
  const up: Span[] = []
  const books = notebooks({
    time,
    seed,
    faults,
    control: {
      enrol: async (ticket, nonce) =>
        isDown() ? { kind: 'away' } : heard(await plane.enrol(ticket, nonce)),
      beat: async (token, step, node) =>
        isDown() ? { order: 'away' } : plane.beat(token, step, node),
      commit: async (token, step, kind) => (isDown() ? 'away' : plane.commit(token, step, kind)),
      report: async (token, report) =>
        isDown() ? 'away' : heard(await plane.report(token, report)),
    },
    paceOf: () => scenario.pace,
    frozen: () => serves.wake(time.now() + 200_000),
    // Its heartbeats bring the service to know it, and then its forerunner to leave.
    ready() {
      for (const beats of [1, 2]) {
        const atMs = time.now() + beats * 61_000
        time.at(atMs, () => serves.wake(atMs))
      }
    },
    over(notebook) {
      up.push(...notebook.ups())
      suspect(notebook, time.now() + missedMs)
      serves.wake(time.now() + 200_000)
    },
    turned: (notebook, noticedMs) => suspect(notebook, noticedMs + beatMs),
  })
  const kaggle = kaggleModel({ time, seed, faults, run: books.run })
  const people = (account: Account) => person(seed, faults, account.owner, scenario.zone)
  const colab = colabModel({ time, seed, faults, run: books.run, personOf: people })
  const serves = service({
    time,
    seed,
    faults,
    memory: mind,
    providers: [kaggle, colab],
    priorOf: () => priorOf(scenario),
    personSeconds: 12 * 3600,
    hear: books.pollOrders,
    ...(options.isNaive ? { look: naive(() => mind) } : {}),
  })
  const probes = prober({
    time,
    isDown,
    isOpen: (id) => mind.state.sessions.get(id)?.endedAt === null,
    sightOf: (id) => notebookOf(id)?.sight() ?? 'tunnel-gone',
    hear: books.pollOrders,
    async askRestart(sessionId, reason) {
      await mind.store.apply({ kind: 'restart-asked', sessionId, reason })
      hearSoon()
    },
    async lose(sessionId, reason) {
      await serves.giveUp(sessionId, reason)
      serves.wake(time.now())
      hearSoon()
    },
  })
  const notebookOf = (id: string) =>
    [...books.live].find((notebook) => notebook.token()?.sessionId === id)
  /** A heartbeat is answered within its minute, also where nothing else asks for a look. */
  function hearSoon(): void {
    for (const beats of [1, 2, 3]) {
      const atMs = time.now() + beats * (beatMs + 1000)
      time.at(atMs, () => serves.wake(atMs))
    }
  }
  function suspect(notebook: Notebook, noticedMs: number): void {
    const id = notebook.token()?.sessionId
    const session = id === undefined ? undefined : mind.state.sessions.get(id)
    if (!hasNodeFaults(faults) || !session?.trainingAt || session.endedAt || !session.serves) return
    probes.suspect(session.id, noticedMs)
  }
  function heard<T>(answer: T): T {
    serves.soon()
    return answer
  }

  for (const account of scenario.accounts) {
    mind.addAccount(account)
    // As people say of themselves when they lend an account; what they really do is the model's business.
    const { zone } = scenario
    mind.addPerson(account.owner, { waking: { fromHour: 8, toHour: 23, zone }, away: [] })
  }
  let begun = 0
  const beginRuns = async () => {
    if (time.now() >= endMs) return
    const open = [...mind.state.runs.values()].filter((run) => isOpen(run) && !run.serving).length
    for (let n = open; n < scenario.openRuns; n += 1) {
      if (scenario.mostRuns !== null && begun >= scenario.mostRuns) return
      begun += 1
      await mind.putRun(runOf(begun, scenario, time.date()))
      serves.soon()
    }
  }
  if (scenario.policy) await mind.putRun(policyOf(scenario.policy, time.date()))
  serves.wake(startMs)
  const completed: { name: string; fromMs: number; toMs: number }[] = []
  const known = new Set<string>()
  let stallFrom = startMs
  let longestStallMs = 0
  let lastShare = 0

  storeSpells()
  for (;;) {
    if (hasNews) await hearRuns()
    if (books.live.size > 0 || !couldWork()) stallFrom = time.now()
    longestStallMs = Math.max(longestStallMs, time.now() - stallFrom)
    if (time.nextAt() > endMs) break
    await time.next()
    const share = (time.now() - startMs) / (endMs - startMs)
    if (options.progress && share - lastShare > 0.01) {
      lastShare = share
      options.progress(share)
    }
  }
  await time.advanceTo(endMs)
  const spent = books.spent()
  const { acceptedSteps } = watch
  const done = acceptedSteps()
  const violationsSoFar = watch.counted()
  await drain()

  const models = [kaggle, colab]
  const lanes = scenario.accounts.flatMap((account) => {
    const model = models.find(({ name }) => name === account.provider)
    return model ? [{ account, model }] : []
  })
  const granted = lanes.flatMap(({ account, model }) =>
    grantedWeeks(model, account, startMs, endMs),
  )
  const grantedHours = granted.reduce((sum, { hours }) => sum + hours, 0)
  const hours = spentHours(spent)
  const used = hours.training + hours.saving + hours.serving
  const truths = lanes.map(({ account, model }) => ({ account, ...model.truth(account.username) }))
  const stepHours = scenario.pace.stepSeconds / 3600
  const oversteps = truths.filter(({ account }) => account.provider === 'kaggle')
  return {
    hours: { granted: grantedHours, used, wasted: grantedHours - used },
    steps: {
      done,
      bound: Math.floor((grantedHours - hours.serving) / stepHours),
      redone: Math.round(hours.redone / stepHours),
    },
    longestStallHours: longestStallMs / hourMs,
    servingAvailability: scenario.policy ? availability(scenario.policy, up, startMs, endMs) : null,
    nodesAtOnce: mostAtOnce(up),
    violations: {
      ...violationsSoFar,
      // Colab names no grant: there our own book alone can be broken.
      budget: violationsSoFar.budget + sum(oversteps, ({ overruns }) => overruns.length),
      duplicateLaunches: sum(
        truths,
        ({ duplicates, sessions }) =>
          duplicates.length + sessions.filter(({ name }) => watch.isGivenUp(name)).length,
      ),
      openIntents: mind.open().length,
    },
    spent: hours,
    planned: watch.planned(),
    sessions: sum(truths, ({ sessions }) => sessions.length),
    ticks: serves.ticks(),
    events: time.happened(),
    runs: completed.map(({ name, fromMs, toMs }) => {
      const need = scenario.stepsOfRun * stepHours * (1 + savingShare(scenario))
      return {
        name,
        hours: need,
        makespanHours: (toMs - fromMs) / hourMs,
        boundHours: (boundMs(granted, fromMs, need) - fromMs) / hourMs,
      }
    }),
  }

  /** Notes which runs are done, and begins those that follow. */
  async function hearRuns(): Promise<void> {
    hasNews = false
    for (const run of mind.state.runs.values()) {
      if (isOpen(run) || known.has(run.id) || !run.endedAt) continue
      known.add(run.id)
      const span = { fromMs: run.createdAt.getTime(), toMs: run.endedAt.getTime() }
      if (run.state === 'completed') completed.push({ name: run.name, ...span })
    }
    await beginRuns()
  }

  /** Whether there is work, and an account that could be at it. */
  function couldWork(): boolean {
    const now = time.date()
    return scenario.accounts.some(({ name }) => {
      const account = mind.state.accounts.get(name)
      if (account?.provider !== 'kaggle') return false
      if (account.holdUntil && account.holdUntil > now) return false
      return leftHours(account) > 0.5
    })
  }

  /** Less the margin. */
  function leftHours({ username, marginPercent }: Account): number {
    const { leftMs, allowedMs } = kaggle.left(username)
    return (leftMs - (allowedMs * marginPercent) / 100) / hourMs
  }

  /** Times in which nothing can be written. */
  function storeSpells(): void {
    if (faults.storeErrorSpellsPerWeek <= 0) return
    const inMs = (weekMs / faults.storeErrorSpellsPerWeek) * spellLuck.exponential(1)
    time.at(time.now() + inMs, () => {
      isAway = true
      const forMs = spellLuck.exponential(faults.storeErrorMinutes) * 60_000
      time.at(time.now() + forMs, () => {
        isAway = false
        serves.soon()
        storeSpells()
      })
    })
  }

  /** Asks everything to end and waits for it. */
  async function drain(): Promise<void> {
    for (const run of mind.state.runs.values())
      if (isOpen(run)) await mind.putRun({ ...run, stopAsked: true, state: 'stopping' })
    serves.soon()
    await time.advanceTo(endMs + drainMs)
  }
}

const isPunctual = (faults: Faults): boolean =>
  faults.freezesPerGpuHour + faults.restartsPerWeek + faults.storeErrorSpellsPerWeek === 0

/** What a checkpoint every quarter of an hour adds to the time of the steps. */
const savingShare = ({ pace }: Scenario): number =>
  pace.saveTakes / (defaultOptions.saveSeconds - pace.saveTakes)

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0)
