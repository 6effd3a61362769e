import type { Account } from '../../rotation/account.ts'
import { weekOf } from '../../rotation/week.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import type { Handle, VirtualTime } from '../virtual-time.ts'
import { gpuBook, type Stay } from './gpu-book.ts'
import type { Cargo, RunNotebook } from './machine.ts'

const secondMs = 1000
const hourMs = 3600 * secondMs
/** The longest that a free runtime may run, by Colab's FAQ (read 2026-11). */
const capMs = 12 * hourMs
/** A machine on which nothing runs is taken back after so long. */
const idleMs = 90 * 60 * secondMs
/** Machines with a GPU that a free account has at the same time. */
const maxGpuMachines = 1

/** One machine of Colab's, with the processes of one notebook on it. */
export interface ColabMachine {
  readonly name: string
  readonly stay: Stay
  /** How it ended; null while it is held. */
  end: { readonly failed: boolean; readonly message: string | null } | null
  processes: Cargo[]
  running: number
  cap: Handle | null
  preemption: Handle | null
}

/** Why a machine is not given: hours used up, none free, or one held already. */
export type Denial = 'quota' | 'none-free' | 'too-many'

export interface ColabMachinesOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  readonly run: RunNotebook
}

/** The machines of one account at Colab, and what Colab still grants it: its real limits float, and are told to nobody. */
export function colabMachines(account: Account, options: ColabMachinesOptions) {
  const { time, seed, faults, run } = options
  const random = (what: string) => stream(seed, `colab/${account.username}/${what}`)
  const fate = random('machine')
  const allowances = new Map<number, number>()
  const held: ColabMachine[] = []

  /** What the account gets in a week, in half hours; Colab itself tells no figure and no day of reset: the account's own is taken. */
  function allowedMs(week: number): number {
    const known = allowances.get(week)
    if (known !== undefined) return known
    const { colabLeastHours: least, colabMostHours: most } = faults
    const mode = Math.min(Math.max(40, least), most)
    const drawn = random(`week/${week}`).triangular(least, mode, most)
    const granted = (Math.round(drawn * 2) / 2) * hourMs
    allowances.set(week, granted)
    return granted
  }

  const weekStartOf = (ms: number): number => weekOf(account.reset, new Date(ms)).start.getTime()
  const weekAfter = (ms: number): number => weekOf(account.reset, new Date(ms)).end.getTime()
  const book = gpuBook(time.now, weekStartOf, weekAfter, allowedMs)

  function end(machine: ColabMachine, failed: boolean, message: string | null): void {
    if (machine.end !== null) return
    machine.end = { failed, message }
    time.cancel(machine.cap)
    time.cancel(machine.preemption)
    book.end(machine.stay)
    held.splice(held.indexOf(machine), 1)
  }

  function takeBack(machine: ColabMachine, message: string): void {
    if (machine.end !== null) return
    for (const process of machine.processes) process.kill()
    end(machine, true, message)
  }

  function hold(name: string, limitMs: number, isWanted: boolean): ColabMachine {
    const stay = book.start(name, isWanted)
    const machine: ColabMachine = {
      name,
      stay,
      end: null,
      processes: [],
      running: 0,
      cap: null,
      preemption: null,
    }
    held.push(machine)
    const now = time.now()
    const limit = Math.min(limitMs, capMs)
    const message = `Your runtime has been disconnected: it ran for ${limit / secondMs} seconds.`
    machine.cap = time.at(now + limit, () => takeBack(machine, message))
    const lives = fate.exponential(1) / faults.colabPreemptionsPerGpuHour // infinitely long without preemptions
    if (lives * hourMs < limit) {
      machine.preemption = time.at(now + lives * hourMs, () =>
        takeBack(machine, 'Your runtime has been disconnected.'),
      )
    }
    return machine
  }

  return {
    held: held as readonly ColabMachine[],
    /** Why no machine is given now, or null. One number is drawn for each question. */
    denial(): Denial | null {
      const isNoneFree = fate.chance(faults.colabDenialShare)
      if (book.usedMs() >= allowedMs(weekStartOf(time.now()))) return 'quota'
      if (held.length >= maxGpuMachines) return 'too-many'
      return isNoneFree ? 'none-free' : null
    },
    /**
     * Starts a machine, which nobody may have been refused.
     * @param isWanted whether it was asked for anew, and not by another press of a person
     */
    start: (name: string, limitMs = capMs, isWanted = true): ColabMachine =>
      hold(name, limitMs, isWanted),
    /** A machine whose answer was lost: nothing runs on it, and it is taken back in the end. */
    startUnheard: (name: string): ColabMachine =>
      hold(`${name} (nobody heard of it)`, idleMs, false),
    /** Runs a notebook on it; the machine goes with the last of its processes. */
    run(machine: ColabMachine, text: string): void {
      machine.running += 1
      let isOver = false
      let process: Cargo | null = null // it may be over before it is known
      process = run(text, {
        account,
        name: machine.name,
        ended(failed, message) {
          isOver = true
          machine.running -= 1
          machine.processes = machine.processes.filter((other) => other !== process)
          if (machine.running === 0) end(machine, failed, message)
        },
      })
      if (!isOver) machine.processes.push(process)
    },
    takeBack,
    deny: book.deny,
    truth: book.truth,
    left: book.left,
  }
}

export type ColabMachines = ReturnType<typeof colabMachines>
