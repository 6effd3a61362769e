import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import type { Slots } from '../artifacts/slots.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'

/** The intent to remove a run or a version of data, with its files. */
export interface Removal {
  readonly id: string
  readonly kind: 'run' | 'data'
  /** The id of the run, the version of the data. */
  readonly subject: string
  readonly name: string
}

/** A row among the runs: a training, or a serving policy. */
export type RunNoun = 'run' | 'policy'

/** What goes with a run, by the books. */
export interface RunContents {
  readonly id: string
  readonly name: string
  readonly sessions: number
  /** Those that still have files. */
  readonly checkpoints: { readonly count: number; readonly bytes: number }
  readonly artifact: { readonly label: string; readonly bytes: number } | null
  readonly events: number
  /** Rows of the ledger; they stay, for the hours were spent. */
  readonly ledgerRows: number
}

/** What goes with a name of data, or with a version under all its names. */
export interface DataContents {
  readonly names: readonly string[]
  /** Each version that is named so; its files go unless another name keeps them. */
  readonly versions: readonly {
    readonly version: string
    readonly rows: number
    readonly bytes: number
    /** Names that stay; empty when the files go. */
    readonly keptAs: readonly string[]
  }[]
}

/** Removals in the database. The first two of each pair look, the second ones also write the intent down, in one transaction. */
export interface RemovalRows {
  /**
   * @param noun what it must be; a training when left out
   * @throws AppError `not-found` (`run_unknown`, `run_is_policy`, `policy_unknown`, `policy_is_run`), `conflict` (`run_open`,
   *   `policy_open`, `adapter_in_use`, `store_elsewhere`)
   */
  runContents(idOrName: string, noun?: RunNoun): Promise<RunContents>
  askRun(idOrName: string, noun?: RunNoun): Promise<{ contents: RunContents; removal: Removal }>
  /** @throws AppError `not-found` (`dataset_unknown`), `conflict` (`dataset_in_use`, `store_elsewhere`) */
  dataContents(nameOrVersion: string): Promise<DataContents>
  /** Names go at once; a version is removed only where no name is left. */
  askData(nameOrVersion: string): Promise<{ contents: DataContents; removals: Removal[] }>
  /** Those that have not been finished, oldest first. */
  open(): Promise<Removal[]>
  /** The names under which providers know the sessions of a run. */
  sessionNames(runId: string): Promise<string[]>
  /** Whether addresses that were opened for sessions of a run may still be written to. */
  hasSlots(runId: string): Promise<boolean>
  /** All rows of a run or version go, the ledger stays; told as an event. Once its files are gone. Repeated, it changes nothing. */
  finish(removal: Removal): Promise<void>
}

export interface RemovalPorts {
  readonly rows: RemovalRows
  /** Every store that may hold files of a run or of data. */
  readonly stores: readonly Pick<ArtifactStore, 'remove'>[]
  /** Addresses that were opened for sealed sessions, where the store has such. */
  readonly slots: Pick<Slots, 'sweep'> | undefined
  /** What sessions of these names have left on this machine. */
  readonly removeSessionFolders: (names: readonly string[]) => Promise<void>
  readonly removeDataFiles: (version: string) => Promise<void>
  /** Told that a version stands in no store any more. */
  readonly forgetData: (version: string) => void
  readonly clock: Pick<Clock, 'sleep'>
}

/** How far a removal has come: `removing` goes on by itself, and `why` says what holds it up, if anything does. */
export interface Progress {
  readonly state: 'removed' | 'removing'
  readonly why: string | null
}

/** Who asks for a removal waits so long for its end. */
const waitMs = 10_000

/**
 * Removes runs and data, files before rows: the intent is written first, so that whoever comes after a crash goes on where it
 * was cut.
 */
export function removals(ports: RemovalPorts) {
  const { rows } = ports
  let turn: Promise<unknown> = Promise.resolve()

  /** One at a time: the sweep and who asks would else do the same work side by side. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined) // told to who asked
    return mine
  }

  async function carryOut(removal: Removal): Promise<void> {
    if (removal.kind === 'run') await removeRunFiles(removal)
    else await removeDataFiles(removal)
    await rows.finish(removal)
  }

  async function removeRunFiles({ subject, name }: Removal): Promise<void> {
    await ports.slots?.sweep()
    if (await rows.hasSlots(subject)) {
      throw new AppError(
        'conflict',
        `addresses on Drive that were opened for sessions of ${name} cannot be closed from here`,
        {
          code: 'store_elsewhere',
          next: 'Set RODIZIO_STORE=drive and sign in with the Google client that opened them: rodizio login google',
        },
      )
    }
    for (const store of ports.stores) await store.remove(`runs/${subject}`)
    await ports.removeSessionFolders(await rows.sessionNames(subject))
  }

  async function removeDataFiles({ subject }: Removal): Promise<void> {
    ports.forgetData(subject)
    for (const store of ports.stores) await store.remove(`data/${subject}`)
    await ports.removeDataFiles(subject)
  }

  /** Carries out those that are still open, as long as somebody waits for it. */
  async function now(asked: readonly Removal[]): Promise<Progress> {
    const work = inTurn(async () => {
      const ids = new Set(asked.map(({ id }) => id))
      for (const removal of await rows.open()) if (ids.has(removal.id)) await carryOut(removal)
    }).then(
      (): Progress => ({ state: 'removed', why: null }),
      (error: unknown): Progress => ({ state: 'removing', why: messageOf(error) }),
    )
    const waiting = new AbortController()
    const waited = ports.clock
      .sleep(waitMs, waiting.signal)
      .then((): Progress => ({ state: 'removing', why: null }))
    return Promise.race([work, waited]).finally(() => waiting.abort())
  }

  return {
    runContents: rows.runContents,
    dataContents: rows.dataContents,
    async removeRun(
      idOrName: string,
      noun: RunNoun = 'run',
    ): Promise<{ contents: RunContents } & Progress> {
      const { contents, removal } = await rows.askRun(idOrName, noun)
      return { contents, ...(await now([removal])) }
    },
    async removeData(nameOrVersion: string): Promise<{ contents: DataContents } & Progress> {
      const { contents, removals: asked } = await rows.askData(nameOrVersion)
      return { contents, ...(await now(asked)) }
    },
    /** Goes on with what an earlier process or a store out of reach has left open; one that fails holds up no other. */
    async sweep(): Promise<void> {
      const failed: unknown[] = []
      await inTurn(async () => {
        for (const removal of await rows.open()) {
          await carryOut(removal).catch((error: unknown) => failed.push(error))
        }
      })
      if (failed.length > 0) throw failed[0]
    },
  }
}

export type Removals = ReturnType<typeof removals>
