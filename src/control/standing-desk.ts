import { AppError, messageOf } from '../lib/errors.ts'
import { newId, sha256Hex } from '../lib/random.ts'
import { isOpen, type Run } from '../rotation/run.ts'
import {
  decideStanding,
  missingExamples,
  newExamples,
  periodEnds,
  type Rhythm,
  type StandingFacts,
} from '../rotation/standing.ts'
import { refuseTakenName } from './run-or-policy.ts'
import { type NextAdapter, nextAdapter } from './standing-adapter.ts'
import type { OpenedRun, StandingRequest, StandingRows, StandingRun } from './standing-run.ts'
import { inWords, standingExists, standingOpen, unknownStanding } from './standing-words.ts'
import { type StartPorts, startRun } from './start-run.ts'

export interface StandingPorts {
  readonly rows: StandingRows
  readonly start: Omit<StartPorts, 'dataset'> & {
    /** By version, or the newest version of a name; `name` is the name it stands under. */
    readonly dataset: (nameOrVersion: string) => Promise<
      | {
          readonly name: string
          readonly version: string
          readonly train: { readonly rows: number; readonly sha256: string }
        }
      | undefined
    >
  }
  /** An error that nobody foresaw, of a look, told once until it changes or passes: the others go on. */
  readonly trouble: (error: unknown) => void
  /** Which adapter the next run begins with; `nextAdapter` when left out. */
  readonly adapter?: NextAdapter
}

export interface WantedStandingRun extends Rhythm {
  /** Made from the caller's Idempotency-Key: the same request twice is the same standing run. */
  readonly id?: string | undefined
  /** That of its data set when left out. */
  readonly name?: string | undefined
  readonly request: StandingRequest
  /** Refused: a smoke run is tried once. */
  readonly smoke?: boolean | undefined
}

/** A standing run with what is to be known of it now. */
export interface StandingView {
  readonly standing: StandingRun
  /** The oldest first. */
  readonly runs: readonly OpenedRun[]
  /** The earliest moment at which time alone opens the next run; null where it never does. */
  readonly nextAt: Date | null
  /** The run of it that is open now, before whose end no other is opened. */
  readonly openRun: Run | null
  /** Training examples that are new since the last run. */
  readonly newExamples: number
  /** Those still missing before they open the next run; null where they do not. */
  readonly missing: number | null
  /** The id or name of the run whose adapter the next one begins with, null for the base alone. */
  readonly fromAdapter: string | null
}

/** Names of its runs are its own with a number behind: there is room for five digits. */
const longestName = 34

/** The same opening is the same run, whoever comes back to it after a crash. */
export const openedRunId = (standingId: string, number: number): string =>
  `run_${sha256Hex(`${standingId} ${number}`).slice(0, 20)}`

/** Standing runs as people begin, see and stop them, and the look that opens their runs. */
export function standingDesk({ rows, start, trouble, adapter = nextAdapter }: StandingPorts) {
  const { now } = start
  /** The last trouble of each that has one, by its id. */
  const told = new Map<string, string>()
  let turn: Promise<unknown> = Promise.resolve()

  /** One look at a time: who begins a standing run looks at once, beside the tick. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined) // told to who asked
    return mine
  }

  async function factsOf(standing: StandingRun) {
    const rowsNow = (await start.dataset(standing.request.dataset))?.train.rows ?? null
    const runs = await rows.runsOf(standing.id)
    const states = runs.map(({ run }) => run.state).toReversed()
    return { runs, facts: { ...standing, rowsNow, runs: states } satisfies StandingFacts }
  }

  /** The first number whose name is free, or is that of the very run: people may have runs of such names. */
  async function nextNumber({ id, name, count }: StandingRun): Promise<number> {
    for (let number = count + 1; ; number += 1) {
      const taken = `${name}-${number}`
      const run = await start.runNamed(taken)
      if (run ? run.id === openedRunId(id, number) : !(await rows.find(taken))) return number
    }
  }

  /** The run that would be opened, as it would be stored, or as it was by a process that died right after. */
  async function nextRun(standing: StandingRun, runs: readonly OpenedRun[], isDry: boolean) {
    const number = await nextNumber(standing)
    const { fromAdapter: _asked, ...request } = standing.request
    const wanted = {
      ...request,
      name: `${standing.name}-${number}`,
      fromAdapter: adapter(standing, runs),
      ...(isDry ? {} : { id: openedRunId(standing.id, number) }),
    }
    // Stored with the word that it was opened, in one go, and not before.
    const ports = { ...start, insertRun: async () => undefined }
    return { number, run: await startRun(ports, wanted, isDry) }
  }

  async function lookAt(standing: StandingRun): Promise<void> {
    const { runs, facts } = await factsOf(standing)
    const verdict = decideStanding(facts, now())
    if (verdict.kind === 'stop') {
      const last = runs.at(-1)
      const why = `${verdict.failed} runs in a row have failed${last?.run.failure ? `, the last one: ${last.run.failure}` : ''}`
      return rows.stop(standing.id, why, false)
    }
    if (verdict.kind === 'wait') return rows.waits(standing.id, inWords(standing, runs, verdict))
    try {
      const { number, run } = await nextRun(standing, runs, false)
      const opening = { number, after: standing.count, because: verdict.because }
      await rows.opened(standing.id, opening, run)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      // The next look tries again: what is missing may come.
      await rows.waits(standing.id, { for: 'trouble', why: messageOf(error) })
    }
  }

  async function must(idOrName: string): Promise<StandingRun> {
    const standing = await rows.find(idOrName)
    if (standing) return standing
    throw unknownStanding(idOrName)
  }

  /** @throws AppError as `start`, of what is wrong with the request */
  async function drafted(wanted: WantedStandingRun): Promise<StandingRun> {
    const { everySeconds, whenNew, request } = wanted
    if (wanted.smoke) {
      throw new AppError(
        'invalid',
        'a smoke run is tried once, and a standing run opens one after the other',
        {
          code: 'standing_smoke',
          next: 'Try it first with --smoke alone, then start it with --every or --when-new',
        },
      )
    }
    if (everySeconds === null && whenNew === null) {
      throw new AppError('invalid', 'a standing run wants a period, new examples, or both', {
        code: 'standing_rhythm',
        next: 'Give --every 7d, --when-new 50, or both: whichever comes first',
      })
    }
    const dataset = await start.dataset(request.dataset)
    if (dataset && dataset.name !== request.dataset) {
      throw new AppError(
        'invalid',
        `dataset: ${request.dataset} is one version of ${dataset.name} and stays as it is`,
        {
          code: 'standing_wants_name',
          next: `A standing run takes the newest version of a name: --data ${dataset.name}`,
        },
      )
    }
    const name = wanted.name ?? request.dataset
    if (name.length > longestName) {
      throw new AppError('invalid', `name: ${name} is longer than ${longestName} characters`, {
        code: 'name_long',
        next: 'Its runs are called by it with a number behind: choose a shorter one with --name',
      })
    }
    if (await rows.find(name)) throw standingExists(name)
    refuseTakenName(await start.runNamed(name), name)
    return {
      id: wanted.id ?? newId('std'),
      name,
      everySeconds,
      whenNew,
      request,
      state: 'open',
      stoppedWhy: null,
      count: 0,
      lastRunId: null,
      lastOpenedAt: null,
      rowsThen: 0,
      waiting: null,
      createdAt: now(),
    }
  }

  async function view(standing: StandingRun): Promise<StandingView> {
    const { runs, facts } = await factsOf(standing)
    const isOver = standing.state === 'stopped' || standing.count === 0
    return {
      standing,
      runs,
      nextAt: standing.state === 'open' ? periodEnds(standing) : null,
      openRun: runs.find(({ run }) => isOpen(run))?.run ?? null,
      newExamples: standing.count === 0 ? 0 : newExamples(facts),
      missing: isOver ? null : missingExamples(facts),
      fromAdapter: adapter(standing, runs) ?? null,
    }
  }

  return {
    /** The first run as it would be, nothing stored. @throws AppError as `start` */
    async dryRun(wanted: WantedStandingRun): Promise<{ view: StandingView; run: Run }> {
      const standing = await drafted(wanted)
      return { view: await view(standing), run: (await nextRun(standing, [], true)).run }
    },
    /**
     * Begins a standing run, and opens its first run at once.
     * @throws AppError `invalid` (`standing_smoke`, `standing_rhythm`, `standing_wants_name`, `name_long`), `conflict`
     *   (`standing_exists`, `run_exists`), and all that `startRun` throws for the first run
     */
    async start(wanted: WantedStandingRun): Promise<StandingView> {
      const before = wanted.id === undefined ? undefined : await rows.find(wanted.id)
      const standing = before ?? (await drafted(wanted))
      if (!before) {
        // What is wrong with the request is told to who makes it, and not by runs that never come.
        await nextRun(standing, [], false)
        await rows.insert(standing)
      }
      await inTurn(async () => {
        const fresh = await must(standing.id)
        if (fresh.state === 'open' && fresh.count === 0) await lookAt(fresh)
      })
      return view(await must(standing.id))
    },
    /** Opens the runs that are due. Level-triggered: one that was cut short is made good by the next. */
    look: (): Promise<void> =>
      inTurn(async () => {
        for (const standing of await rows.open()) {
          await lookAt(standing).then(
            () => told.delete(standing.id),
            (error: unknown) => {
              if (told.get(standing.id) !== messageOf(error)) trouble(error)
              told.set(standing.id, messageOf(error))
            },
          )
        }
      }),
    /** @throws AppError `not-found` (`standing_unknown`) */
    show: async (idOrName: string): Promise<StandingView> => view(await must(idOrName)),
    list: async (limit: number, cursor: string | undefined) => {
      const { items, next } = await rows.list(limit, cursor)
      const views: StandingView[] = []
      for (const standing of items) views.push(await view(standing))
      return { items: views, next }
    },
    /**
     * Opens no run any more; a run of it that is open goes on. Asking twice changes nothing.
     * @throws AppError `not-found` (`standing_unknown`)
     */
    async stop(idOrName: string): Promise<StandingView> {
      const { id } = await must(idOrName)
      await inTurn(() => rows.stop(id, 'it was asked to', true))
      return view(await must(id))
    },
    /**
     * Forgets a standing run that is stopped; its runs stay.
     * @throws AppError `not-found` (`standing_unknown`), `conflict` (`standing_open`)
     */
    async remove(idOrName: string, isDry: boolean): Promise<StandingView> {
      const before = await view(await must(idOrName))
      if (before.standing.state === 'open') throw standingOpen(before.standing.name)
      if (!isDry) await rows.remove(before.standing.id)
      return before
    },
    openedBy: rows.openedBy,
  }
}

export type StandingDesk = ReturnType<typeof standingDesk>
