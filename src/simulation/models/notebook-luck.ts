import type { Failure } from '../../rotation/session-end.ts'
import type { Faults } from '../faults.ts'
import type { Random } from '../random.ts'

/** What one notebook meets with, drawn at its start. */
export interface Luck {
  /** The class of failure in which it ends, if nothing else ends it before; null for none. */
  readonly failure: Failure['class'] | null
  /** When a bug shows, as a share of the session. */
  readonly moment: number
  /** Whether a checkpoint is on its way in the moment in which it wakes; else it is heard by its heartbeat first. */
  readonly wakesInSave: boolean
  /** What it says of its failure. */
  readonly words: string
}

const words = {
  no_gpu: 'this machine has no GPU',
  dead_gpu: 'the GPU does not compute: no kernel image is available for it',
  out_of_memory: 'the GPU has too little memory for this batch',
  notebook_bug: 'the training program ended with status 1',
} as const

export function luckOf(random: Random, faults: Faults): Luck {
  const draws = {
    no_gpu: random.chance(faults.noGpuShare),
    dead_gpu: random.chance(faults.deadGpuShare),
    out_of_memory: random.chance(faults.outOfMemoryShare),
    notebook_bug: random.chance(faults.notebookBugShare),
  }
  const kinds = ['no_gpu', 'dead_gpu', 'out_of_memory', 'notebook_bug'] as const
  const failure = kinds.find((kind) => draws[kind]) ?? null
  return {
    failure,
    moment: random.uniform(),
    wakesInSave: random.chance(0.5),
    words: failure === null ? '' : words[failure],
  }
}
