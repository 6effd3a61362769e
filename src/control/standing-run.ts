import type { Run } from '../rotation/run.ts'
import type { Because, Rhythm } from '../rotation/standing.ts'
import type { Part } from './reads.ts'
import type { WantedRun } from './start-run.ts'

/** What each run of a standing run is asked for; its id, its name and what it goes on from are made for it. */
export type StandingRequest = Omit<WantedRun, 'id' | 'name' | 'sample' | 'smoke'>

/** Why a standing run does not open a run now; `trouble` is the sentence of what kept it from doing so. */
export interface Waiting {
  readonly for: 'run' | 'period' | 'examples' | 'data' | 'trouble'
  readonly why: string
}

/** The standing wish that a run be opened again and again. */
export interface StandingRun extends Rhythm {
  readonly id: string
  readonly name: string
  /** Its `dataset` is a name: the newest version of it is what the next run trains on. */
  readonly request: StandingRequest
  readonly state: 'open' | 'stopped'
  readonly stoppedWhy: string | null
  /** The number of the last run it has opened, 0 before the first. */
  readonly count: number
  readonly lastRunId: string | null
  readonly lastOpenedAt: Date | null
  /** Training examples of what the last run trains on. */
  readonly rowsThen: number
  readonly waiting: Waiting | null
  readonly createdAt: Date
}

/** A run as a standing run has opened it. */
export interface OpenedRun {
  readonly run: Run
  readonly number: number
  readonly because: Because
  /** Training examples of what it trains on. */
  readonly rows: number
  readonly openedAt: Date
  /** Of what it has left, null while there is nothing. */
  readonly label: string | null
  /** Of the adapter among it: what its line serves, one that was not promoted, or neither; null while there is none. */
  readonly adapter: 'served' | 'rejected' | 'other' | null
}

/** An opening that has been decided on. */
export interface Opening {
  readonly number: number
  /** The count that it was decided by: another opening meanwhile makes it void. */
  readonly after: number
  readonly because: Because
}

/** Standing runs in the database. */
export interface StandingRows {
  /** @throws AppError `conflict` (`standing_exists`, `run_exists`), `not-found` (`dataset_unknown`) */
  insert(standing: StandingRun): Promise<void>
  find(idOrName: string): Promise<StandingRun | undefined>
  /** Newest first. */
  list(limit: number, cursor: string | undefined): Promise<Part<StandingRun>>
  /** Those that are not stopped, the oldest first. */
  open(): Promise<StandingRun[]>
  /** Its runs, the oldest first; those that were removed are left out. */
  runsOf(id: string): Promise<OpenedRun[]>
  /** The standing run that has opened a run, or undefined. */
  openedBy(runId: string): Promise<{ readonly name: string; readonly number: number } | undefined>
  /**
   * Stores the run, if it does not stand yet, with the word that it was opened, in one transaction.
   * @returns whether it was: not where the standing run was stopped, or has opened another one, meanwhile
   * @throws AppError `conflict` or `not-found`, as a run that is started
   */
  opened(id: string, opening: Opening, run: Run): Promise<boolean>
  /** Notes why nothing is opened; an event when that is for another reason than before. */
  waits(id: string, waiting: Waiting): Promise<void>
  /** Stopping twice changes nothing. @param asked whether a person did it */
  stop(id: string, why: string, asked: boolean): Promise<void>
  /**
   * The record goes, its runs stay.
   * @throws AppError `not-found` (`standing_unknown`), `conflict` (`standing_open`)
   */
  remove(idOrName: string): Promise<StandingRun>
}
