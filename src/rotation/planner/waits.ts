import { type Book, grantedFrom, type Lane, slotsOf, weekAt } from './book.ts'
import { canTake } from './lay-serving.ts'
import type { Constraint, Stay, Wait } from './plan.ts'
import type { PlanInput, PlanRun, WorkRef } from './plan-input.ts'
import { bareSeconds, termsOf } from './terms.ts'
import { windowSpans } from './windows.ts'

interface Obstacle {
  readonly why: Constraint
  readonly untilMs: number | null
}

/** Each run and each policy in its window that has no session now and gets none, in the order of their ids, with the reason. */
export function waitsOf(input: PlanInput, book: Book, stays: readonly Stay[]): Wait[] {
  const isOf = (work: WorkRef) => (other: { readonly work: WorkRef }) =>
    other.work.kind === work.kind && other.work.id === work.id
  const waits: Wait[] = []
  const look = (work: WorkRef, lanes: readonly Lane[], least: (lane: Lane) => number) => {
    if (input.live.some(isOf(work))) return
    const next = stays.find(isOf(work))
    if (next && next.startMs <= book.nowMs) return
    waits.push({ work, ...reason(book, lanes, next, least) })
  }
  for (const run of input.runs) {
    if (run.remainingSteps <= 0) continue
    const lanes = book.lanes.filter((lane) => termsOf(run, lane) !== null)
    look({ kind: 'run', id: run.id }, lanes, (lane) => leastOf(run, lane))
  }
  for (const policy of input.policies) {
    const [window] = windowSpans(policy, book.nowMs, book.untilMs)
    if (!window || window.fromMs > book.nowMs) continue
    const lanes = book.lanes.filter(({ account }) => canTake(account, policy))
    look({ kind: 'policy', id: policy.id }, lanes, ({ account }) => account.startSeconds + 60)
  }
  return waits.sort((a, b) => order(a.work, b.work))
}

const order = (a: WorkRef, b: WorkRef): number =>
  a.kind === b.kind ? (a.id < b.id ? -1 : 1) : a.kind < b.kind ? -1 : 1

function leastOf(run: PlanRun, lane: Lane): number {
  const terms = termsOf(run, lane)
  return terms ? Math.min(terms.worthSeconds, bareSeconds(terms, run.remainingSteps)) : 0
}

/** What keeps the account of the next session from beginning it now; without one, what ends first of what keeps the others. */
function reason(
  book: Book,
  lanes: readonly Lane[],
  next: Stay | undefined,
  least: (lane: Lane) => number,
): Obstacle {
  if (next) {
    const lane = lanes.find(({ account }) => account.name === next.account)
    const obstacle = lane && obstacleOf(book, lane, least(lane))
    return { why: obstacle?.why ?? { kind: 'none' }, untilMs: next.startMs }
  }
  const obstacles = lanes.flatMap((lane) => obstacleOf(book, lane, least(lane)) ?? [])
  const later = ({ untilMs }: Obstacle) => untilMs ?? Number.POSITIVE_INFINITY
  const [first] = obstacles.toSorted((a, b) =>
    later(a) < later(b) ? -1 : later(a) > later(b) ? 1 : 0,
  )
  return first ?? { why: { kind: 'none' }, untilMs: null }
}

/** Why an account begins no session of that length at once; null when it could, as the plan leaves it. */
function obstacleOf(book: Book, lane: Lane, least: number): Obstacle | null {
  const { nowMs, untilMs } = book
  const { account } = lane
  const within = (atMs: number) => (atMs < untilMs ? atMs : null)
  if (account.holdUntilMs !== null && account.holdUntilMs > nowMs) {
    return { why: { kind: 'hold', account: account.name }, untilMs: within(account.holdUntilMs) }
  }
  const [open] = lane.launch
  if (!open || open.fromMs > nowMs) {
    const why = { kind: 'person', account: account.name } as const
    return { why, untilMs: open ? open.fromMs : null }
  }
  const beginMs = nowMs + account.answerSeconds * 1000
  const [slot] = slotsOf(lane, nowMs)
  if (!slot || slot.fromMs > nowMs || slot.toMs - beginMs < least * 1000) {
    const free = slot && slot.fromMs > nowMs ? slot.fromMs : slotsOf(lane, nowMs)[1]?.fromMs
    const why = keptFor(lane, nowMs, beginMs) ?? ({ kind: 'slots', account: account.name } as const)
    return { why, untilMs: free === undefined ? null : within(free) }
  }
  if (grantedFrom(lane, book.left, beginMs, least) >= least) return null
  const week = weekAt(lane, beginMs)
  const given = account.weeks[week]
  if (!given) return { why: { kind: 'none' }, untilMs: null }
  const taken = lane.taken.find(
    ({ work, fromMs }) => work.kind === 'policy' && fromMs >= nowMs && fromMs < given.endMs,
  )
  const why: Constraint =
    taken && given.leftSeconds >= least
      ? { kind: 'reserve', policy: taken.work.id, account: account.name }
      : { kind: 'hours', account: account.name, weekStartMs: given.startMs }
  return { why, untilMs: within(given.endMs) }
}

/** The policy whose window, not yet begun, takes the slot that a session now would reach into. */
function keptFor(lane: Lane, nowMs: number, beginMs: number): Constraint | null {
  const kept = lane.taken.find(({ work, fromMs }) => work.kind === 'policy' && fromMs > beginMs)
  const isFreeNow = lane.taken.every(({ fromMs, toMs }) => fromMs > nowMs || toMs <= nowMs)
  if (!kept || !isFreeNow) return null
  return { kind: 'reserve', policy: kept.work.id, account: lane.account.name }
}
