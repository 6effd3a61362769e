import { launchSpans } from './availability.ts'
import { liveUntil } from './book.ts'
import type { PlanAccount, PlanInput, PlanRun } from './plan-input.ts'
import { bareSeconds, termsOf } from './terms.ts'

const dayMs = 86_400_000

/**
 * When the first account opens, where none can begin a session now; null where one can. Whoever plans before that moment gets
 * no session that begins at once, so that the whole plan need not be laid to know it.
 */
export function closedUntil(input: PlanInput): number | null {
  let first = input.nowMs + input.horizonSeconds * 1000
  for (const account of input.accounts) {
    const openMs = opensMs(input, account)
    if (openMs <= input.nowMs) return null
    first = Math.min(first, openMs)
  }
  return first
}

/** The earliest moment at which nothing speaks against a session of the account; it may still not be worth it then. */
function opensMs(input: PlanInput, account: PlanAccount): number {
  const { nowMs } = input
  let atMs = Math.max(nowMs, account.holdUntilMs ?? nowMs)
  const ends = input.live
    .filter((live) => live.account === account.name)
    .map((live) => liveUntil(live, nowMs))
    .toSorted((a, b) => a - b)
  const over = ends.length - account.maxConcurrent
  if (over >= 0) atMs = Math.max(atMs, ends[over] ?? atMs)
  const [week] = account.weeks
  if (week && week.leftSeconds < leastSeconds(input, account)) {
    // What is left is of use once it reaches to the reset, and the next week's hours go on from there.
    atMs = Math.max(
      atMs,
      week.endMs - week.leftSeconds * 1000 - account.answerSeconds * 1000 - 60_000,
    )
  }
  for (let look = 0; look < 8; look += 1) {
    const [span] = launchSpans(account, atMs, atMs + dayMs)
    if (span) return span.fromMs
    atMs += dayMs
  }
  return atMs
}

function leastSeconds({ runs, policies, live }: PlanInput, account: PlanAccount): number {
  if (policies.length > 0) return 60
  let least = Number.POSITIVE_INFINITY
  for (const run of runs) {
    // One that has its session begins no other now.
    if (live.some(({ work }) => work.kind === 'run' && work.id === run.id)) continue
    least = Math.min(least, leastOf(run, account))
  }
  return least
}

/** The shortest session of the run that the planner would begin there. */
function leastOf(run: PlanRun, account: PlanAccount): number {
  const terms = termsOf(run, { account })
  if (!terms) return Number.POSITIVE_INFINITY
  return Math.min(terms.worthSeconds, bareSeconds(terms, run.remainingSteps))
}
