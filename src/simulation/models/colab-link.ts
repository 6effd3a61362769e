import type { LaunchOrder, LaunchResult, Observed } from '../../rotation/session-provider.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import type { VirtualTime } from '../virtual-time.ts'
import type { ColabMachines } from './colab-machines.ts'
import type { Person } from './person.ts'
import { noAnswer } from './trouble.ts'

const minuteMs = 60_000

/** A notebook on Drive. */
interface Shelved {
  text: string
  /** Before it, listings do not show it. */
  readonly showsMs: number
  /** Whether its link has been given out. */
  isTold: boolean
}

export interface ColabLinkModelOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  readonly machines: ColabMachines
  readonly person: Person
  readonly isDown: () => boolean
}

/** One account at Colab by its links: notebooks on Drive, and a person who opens them, mostly. */
export function colabLinkModel(username: string, options: ColabLinkModelOptions) {
  const { time, faults, machines, person, isDown } = options
  const calls = stream(options.seed, `colab/${username}/drive`)
  const shelf = new Map<string, Shelved>()
  const linkOf = (name: string) => `https://colab.research.google.com/drive/${name}`

  const refused = (reason: string): LaunchResult => ({
    kind: 'refused',
    reason,
    retryAt: new Date(time.date().getTime() + 5 * minuteMs),
  })

  /** The person opens it and presses Run all: Colab gives a machine, or says to them alone that there is none. */
  function open(name: string, isWanted: boolean): void {
    const shelved = shelf.get(name)
    if (shelved === undefined || isDown()) return
    const same = machines.held.find((machine) => machine.name === name)
    if (same !== undefined) {
      machines.run(same, shelved.text) // a notebook has one machine, however often it is run
      return
    }
    if (machines.denial() !== null) {
      machines.deny()
      return
    }
    machines.run(machines.start(name, undefined, isWanted), shelved.text)
  }

  function tell(name: string, shelved: Shelved): void {
    if (shelved.isTold) return
    shelved.isTold = true
    const { opensMs, againMs } = person.asked(time.now())
    if (opensMs !== null) time.at(opensMs, () => open(name, true))
    if (againMs !== null) time.at(againMs, () => open(name, false))
  }

  return {
    launch({ name, notebook }: LaunchOrder): LaunchResult {
      const isRefused = calls.chance(faults.launchRefusedShare)
      const isLost = calls.chance(faults.launchLostShare)
      const isUnheard = calls.chance(faults.launchUnheardShare)
      const showsMs = time.now() + calls.uniform(0, faults.launchShowsSeconds) * 1000
      if (isDown() || isLost) return refused(noAnswer('Google Drive'))
      if (isRefused) return refused('Google Drive answered: Rate limit exceeded')
      const known = shelf.get(name)
      const shelved = known ?? { text: notebook, showsMs, isTold: false }
      shelved.text = notebook
      shelf.set(name, shelved)
      if (isUnheard) return refused(noAnswer('Google Drive'))
      tell(name, shelved)
      return { kind: 'awaits-person', link: linkOf(name) }
    },
    observe(name: string): Observed {
      if (isDown()) return { kind: 'unknown', reason: noAnswer('Google Drive') }
      const shelved = shelf.get(name)
      if (shelved === undefined || time.now() < shelved.showsMs) return { kind: 'absent' }
      tell(name, shelved) // its answer was lost: now it is known, and its link is sent
      return { kind: 'queued', handle: linkOf(name) }
    },
  }
}

export type ColabLinkModel = ReturnType<typeof colabLinkModel>
