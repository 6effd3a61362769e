/** A defect as a patch of one text in one file, how long it takes to show, and what then shows. */
export interface Defect {
  readonly what: string
  readonly file: string
  /** Found exactly once in the file. */
  readonly original: string
  readonly planted: string
  /** Of `rodizio simulate`. */
  readonly args: string
  /** A file of faults for `--faults`; else they are among the arguments. */
  readonly rates?: Readonly<Record<string, string | number>>
  readonly shows: Sign
}

/** A count above zero, or a share below the floor that the engine itself keeps with the same arguments. */
export type Sign =
  | {
      readonly violation:
        | 'budget'
        | 'duplicateLaunches'
        | 'fencedCommits'
        | 'lostCheckpoints'
        | 'openIntents'
    }
  | { readonly usedBelow: number }
  | { readonly servedBelow: number }
  /** So many times as many sessions are planned as without the defect: refused, it asks again and again. */
  | { readonly plannedTimes: number }

const engine = 'rotation/engine'
const all = (weeks: number, seed = 1) => `--weeks ${weeks} --seed ${seed} --faults all`
const none = (weeks: number) => `--weeks ${weeks} --seed 1 --faults none`

export const defects: readonly Defect[] = [
  {
    what: 'no fencing: any generation is the current one',
    file: `${engine}/state.ts`,
    original:
      'session.endedAt === null && (session.generation === run.generation || run.serving !== null)',
    planted: 'session.id !== run.id',
    args: all(8),
    shows: { violation: 'fencedCommits' },
  },
  {
    what: 'no fencing of what is written: commits of old sessions are taken',
    file: `${engine}/hear.ts`,
    original: '  if (admitted.current) return admitted\n',
    planted: '  if (admitted.session.id) return admitted\n',
    args: all(8),
    shows: { violation: 'fencedCommits' },
  },
  {
    what: 'a launch whose answer is lost is taken for a failed one',
    file: `${engine}/observed.ts`,
    original: "      if (session.state !== 'launching') return\n      draft.putSession({\n",
    planted:
      "      endSession(state, draft, session.id, endOf('cancelled', 'no answer'), now)\n      if (session.id) return\n      draft.putSession({\n",
    args: '--weeks 4',
    rates: { from: 'none', launchUnheardShare: 0.3 },
    shows: { violation: 'duplicateLaunches' },
  },
  {
    what: 'a deadline that is two hours too late',
    file: `${engine}/changes.ts`,
    original: 'new Date(launchedAt.getTime() + session.plannedSeconds * 1000)',
    planted: 'new Date(launchedAt.getTime() + (session.plannedSeconds + 7200) * 1000)',
    args: none(4),
    shows: { violation: 'budget' },
  },
  {
    what: 'the books are not charged for what is begun',
    file: `${engine}/plan-session.ts`,
    original: '  draft.changes.entries.push(...planned.reservation)\n',
    planted: '',
    args: all(8),
    shows: { violation: 'budget' },
  },
  {
    what: 'the end of a session releases its hours and settles none',
    file: 'rotation/ledger.ts',
    original: '  return [...released, ...used]\n',
    planted: '  return used.length > 99 ? used : released\n',
    args: all(8),
    shows: { violation: 'budget' },
  },
  {
    // Kaggle refuses what it has no hours for, so its hours cannot be overdrawn: the service runs into refusals instead.
    what: 'the provider’s own book is ignored',
    file: 'rotation/ledger.ts',
    original: '  reading && (!reading.refreshesAt || reading.refreshesAt > now) ? reading : null',
    planted: '  reading && reading.readAt > now ? reading : null',
    args: '--weeks 4',
    rates: { from: 'none', kaggleLeastHours: 20, kaggleMostHours: 24 },
    shows: { violation: 'budget' },
  },
  {
    what: 'what the provider grants is taken for the same each week',
    file: 'rotation/ledger.ts',
    original: '  reading?.allowedSeconds ?? account.weeklySeconds',
    planted: '  (reading ? account : account).weeklySeconds',
    args: '--weeks 4',
    rates: { from: 'none', kaggleLeastHours: 38, kaggleMostHours: 41 },
    shows: { usedBelow: 0.9 },
  },
  {
    what: 'the reset of the week is missed',
    file: 'rotation/week.ts',
    original: '    end: instantOf(reset.zone, startWall + 7 * dayMs),',
    planted: '    end: instantOf(reset.zone, startWall + 14 * dayMs),',
    args: none(4),
    shows: { usedBelow: 0.9 },
  },
  {
    what: 'a session across the reset is charged to its first week',
    file: 'rotation/week.ts',
    original: '    const part = Math.min(left, untilReset)\n',
    planted: '    const part = Math.max(left, untilReset * 0)\n',
    args: all(8),
    shows: { violation: 'budget' },
  },
  {
    what: 'training is laid before the windows of serving',
    file: 'rotation/planner/make-plan.ts',
    original: '  for (const work of inOrder(input)) {\n',
    planted: '  for (const work of inOrder(input).toReversed()) {\n',
    args: `${none(8)} --serve`,
    shows: { servedBelow: 0.9 },
  },
  {
    what: 'the plan is made once a day and kept',
    file: `${engine}/seek.ts`,
    original: 'const plan = closed === null ? makePlan(input) : null',
    planted:
      "const kept = Reflect.get(globalThis, 'kept') as Plan | undefined\n" +
      '  const plan = kept && input.nowMs - kept.madeMs < 86_400_000 ? kept : makePlan(input)\n' +
      "  Reflect.set(globalThis, 'kept', plan)",
    args: none(4),
    shows: { usedBelow: 0.97 },
  },
  {
    what: 'a session is pushed without a look at its status',
    file: `${engine}/observed.ts`,
    original: '  if (mayAppear) return []\n  if (secondsBetween',
    planted: '  if (secondsBetween',
    args: '--weeks 4',
    rates: { from: 'none', launchUnheardShare: 0.5, launchShowsSeconds: 19 },
    shows: { violation: 'duplicateLaunches' },
  },
  {
    what: 'a session that shows as queued or running is pushed again',
    file: `${engine}/observed.ts`,
    original: "  if (seen.kind === 'queued' || seen.kind === 'running') {\n",
    planted: "  if (seen.kind === 'queued' && sent === null) {\n",
    args: '--weeks 4',
    rates: { from: 'none', launchUnheardShare: 0.3 },
    shows: { violation: 'duplicateLaunches' },
  },
  {
    what: 'a lost session is never ended',
    file: `${engine}/observed.ts`,
    original:
      '  endSession(state, draft, session.id, endSeen(session, provider, seen, logTail), now)\n',
    planted: '',
    args: all(8, 3),
    shows: { usedBelow: 0.54 },
  },
  {
    what: 'a session past its deadline is never ended',
    file: `${engine}/look.ts`,
    original:
      'session.deadlineAt !== null && secondsBetween(session.deadlineAt, now) > silenceSeconds(session)',
    planted: 'session.deadlineAt !== null && secondsBetween(session.deadlineAt, now) > 9e9',
    args: '--weeks 4',
    rates: { from: 'none', statusStuckShare: 0.5, kagglePreemptionsPerGpuHour: 0.1 },
    shows: { violation: 'openIntents' },
  },
  {
    what: 'a run goes on from its first step',
    file: `${engine}/state.ts`,
    original: '  state.progress.get(runId) ?? noProgress',
    planted: '  (state.progress.has(runId) ? noProgress : noProgress)',
    args: none(2),
    shows: { violation: 'lostCheckpoints' },
  },
  {
    what: 'an account is used although it is to be left alone',
    file: `${engine}/plan-input-of.ts`,
    original: '    holdUntilMs: latest(',
    planted: '    holdUntilMs: ((..._: unknown[]) => null)(',
    args: '--weeks 1',
    rates: { from: 'none', launchRefusedShare: 0.995 },
    shows: { plannedTimes: 2 },
  },
]
