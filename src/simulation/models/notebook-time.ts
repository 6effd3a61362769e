/** Where the time of a notebook goes, in milliseconds; together it is the time that its machine ran. */
export interface TimeSpent {
  /** From the machine's start to the first step: boot, installation, downloads. */
  readonly overheadMs: number
  /** Steps that are in an accepted checkpoint; of a notebook that still runs also those that are not yet. */
  readonly trainingMs: number
  /** Making checkpoints and the artifact, and carrying them off. */
  readonly savingMs: number
  /** Steps that no accepted checkpoint holds: another session does them again. */
  readonly redoneMs: number
  /** From the last step to the end: waiting to be heard, reporting; and of a node, while it is up and cannot be reached. */
  readonly idleMs: number
  /** Nothing happened at all. */
  readonly frozenMs: number
  readonly servingMs: number
}

export type Phase =
  | 'booting'
  | 'setup'
  | 'training'
  | 'saving'
  | 'leaving'
  | 'frozen'
  | 'serving'
  | 'out'
  | 'over'

const spentIn: Readonly<Record<Exclude<Phase, 'over'>, Exclude<keyof TimeSpent, 'redoneMs'>>> = {
  booting: 'overheadMs',
  setup: 'overheadMs',
  training: 'trainingMs',
  saving: 'savingMs',
  leaving: 'idleMs',
  frozen: 'frozenMs',
  serving: 'servingMs',
  out: 'idleMs',
}

const nothing: TimeSpent = {
  overheadMs: 0,
  trainingMs: 0,
  savingMs: 0,
  redoneMs: 0,
  idleMs: 0,
  frozenMs: 0,
  servingMs: 0,
}

/** A book of phases, begun in `booting` at that moment. */
export function notebookTime(now: () => number) {
  const sums = { ...nothing }
  let phase: Phase = 'booting'
  let sinceMs = now()
  let safeMs = 0

  const note = (): void => {
    if (phase !== 'over') sums[spentIn[phase]] += now() - sinceMs
    sinceMs = now()
  }

  return {
    phase: (): Phase => phase,
    enter(next: Phase): void {
      note()
      phase = next
    },
    /** Time in training so far. */
    trainedMs(): number {
      return phase === 'training' ? sums.trainingMs + now() - sinceMs : sums.trainingMs
    },
    /** A checkpoint that was made after so much training has been accepted. */
    keep(trainedMs: number): void {
      safeMs = Math.max(safeMs, trainedMs)
    },
    spent(): TimeSpent {
      note()
      if (phase !== 'over') return { ...sums }
      return { ...sums, trainingMs: safeMs, redoneMs: sums.trainingMs - safeMs }
    },
  }
}

/** What two notebooks spent together. */
export const addTime = (one: TimeSpent, other: TimeSpent): TimeSpent => ({
  overheadMs: one.overheadMs + other.overheadMs,
  trainingMs: one.trainingMs + other.trainingMs,
  savingMs: one.savingMs + other.savingMs,
  redoneMs: one.redoneMs + other.redoneMs,
  idleMs: one.idleMs + other.idleMs,
  frozenMs: one.frozenMs + other.frozenMs,
  servingMs: one.servingMs + other.servingMs,
})

export const noTime = nothing
