import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'
import { type Spell, type Spells, spells } from '../spells.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** A heartbeat that has arrived. */
export interface Beat {
  readonly sentMs: number
  /** When it arrived. */
  readonly atMs: number
  /** As of its sending. */
  readonly step: number
  /** How often it arrived. */
  readonly copies: 1 | 2
}

/** The heartbeats of one notebook, none of which is an event: the newest that has arrived is worked out when it is asked for. */
export interface Beats {
  /** It begins to beat: now, and then each `everyMs`. */
  begin(everyMs: number): void
  /** No beats are sent between these moments; `toMs` is infinite while nobody knows when it wakes. */
  frozen: { fromMs: number; toMs: number }[]
  /** The newest beat that has arrived by then and is newer than those delivered; null when there is none. */
  due(nowMs: number): Beat | null
  /** It was delivered: no beat of that age or older is due any more. */
  delivered(beat: Beat): void
}

export function notebookBeats(
  random: Random,
  faults: Faults,
  now: () => number,
  stepAt: (ms: number) => number,
): Beats {
  const spellsOf = (perHour: number, minutes: number): Spells =>
    spells(random, now(), perHour / hourMs, minutes * minuteMs)
  const lost = spellsOf(faults.lostBeatSpellsPerSessionHour, faults.lostBeatMinutes)
  const late = spellsOf(faults.lateBeatSpellsPerSessionHour, faults.lateBeatMinutes)
  const double = spellsOf(faults.doubleBeatSpellsPerSessionHour, faults.doubleBeatMinutes)
  const lateMs = faults.lateBeatSeconds * 1000
  const frozen: Beats['frozen'] = []
  let beganMs = Number.POSITIVE_INFINITY
  let everyMs = minuteMs
  let deliveredMs = Number.NEGATIVE_INFINITY

  const silence = (ms: number): Spell | null =>
    frozen.findLast(({ fromMs, toMs }) => fromMs <= ms && ms < toMs) ?? lost.at(ms)

  return {
    frozen,
    begin(every) {
      beganMs = now()
      everyMs = every
    },
    due(nowMs) {
      let number = Math.floor((nowMs - beganMs) / everyMs)
      while (number >= 0) {
        const sentMs = beganMs + number * everyMs
        if (sentMs <= deliveredMs) return null
        const silent = silence(sentMs)
        if (silent !== null) {
          number = Math.ceil((silent.fromMs - beganMs) / everyMs) - 1
          continue
        }
        const atMs = sentMs + (late.at(sentMs) === null ? 0 : lateMs)
        if (atMs <= nowMs) {
          const copies = double.at(sentMs) === null ? 1 : 2
          return { sentMs, atMs, step: stepAt(sentMs), copies }
        }
        number -= 1
      }
      return null
    },
    delivered(beat) {
      deliveredMs = beat.sentMs
    },
  }
}
