import type { Account } from '../../rotation/account.ts'
import type { ControlPlane } from '../control-plane.ts'
import type { Faults } from '../faults.ts'
import type { VirtualTime } from '../virtual-time.ts'
import type { RunNotebook } from './machine.ts'
import { type Notebook, type Pace, startNotebook } from './notebook.ts'
import { addTime, noTime, type TimeSpent } from './notebook-time.ts'

export interface NotebooksOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  readonly control: ControlPlane
  readonly paceOf: (account: Account) => Pace
  /** Told of each notebook when it is over. */
  readonly over?: (notebook: Notebook, spent: TimeSpent) => void
  /** Told when one falls silent without being over. */
  readonly frozen?: () => void
  /** Told when one that serves has put its model up. */
  readonly ready?: () => void
  /** Told when the node of one is seen otherwise, and from when on its own heartbeats show it. */
  readonly turned?: (notebook: Notebook, noticedMs: number) => void
}

/** All notebooks of a simulation. In place of a notebook's text, launches carry its ticket. */
export function notebooks(options: NotebooksOptions) {
  const { time, seed, faults, control, paceOf } = options
  const live = new Set<Notebook>()
  let total = noTime
  let count = 0

  const run: RunNotebook = (ticket, place) => {
    count += 1
    const notebook = startNotebook({
      time,
      seed,
      faults,
      control,
      pace: paceOf(place.account),
      ticket,
      nonce: `${place.name}/${count}`,
      place,
      ...(options.frozen ? { frozen: options.frozen } : {}),
      ...(options.ready ? { ready: options.ready } : {}),
      turned: (noticedMs) => options.turned?.(notebook, noticedMs),
      over() {
        live.delete(notebook)
        const spent = notebook.spent()
        total = addTime(total, spent)
        options.over?.(notebook, spent)
      },
    })
    live.add(notebook)
    return notebook
  }

  return {
    run,
    live: live as ReadonlySet<Notebook>,
    /** Delivers the newest heartbeat of each and has its answer obeyed: before each look of the service at the world. */
    async pollOrders(): Promise<void> {
      for (const notebook of live) await notebook.pollOrders()
    },
    /** Where the time of all notebooks went, those that still run included. */
    spent(): TimeSpent {
      let sum = total
      for (const notebook of live) sum = addTime(sum, notebook.spent())
      return sum
    },
  }
}

export type Notebooks = ReturnType<typeof notebooks>
