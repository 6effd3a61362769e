import type { Plan } from '../../../src/rotation/planner/plan.ts'
import type { PlanAccount, PlanInput, PlanWeek } from '../../../src/rotation/planner/plan-input.ts'

/**
 * The world at a later moment when all has gone as planned: stays launched before it are live or over, their seconds booked
 * and their steps done, and the plan ends when it did.
 */
export function afterwards(input: PlanInput, plan: Plan, nowMs: number): PlanInput {
  const accountOf = (name: string) => input.accounts.find((one) => one.name === name)
  const begun = plan.stays
    .filter(({ startMs }) => startMs < nowMs)
    .map((stay) => {
      const beginMs = stay.startMs + (accountOf(stay.account)?.answerSeconds ?? 0) * 1000
      return { ...stay, beginMs, endsMs: beginMs + stay.seconds * 1000 }
    })
  const charged = (account: PlanAccount, week: PlanWeek): number =>
    begun
      .filter((stay) => stay.account === account.name)
      .reduce((sum, { beginMs, endsMs }) => {
        const inWeek = Math.min(endsMs, week.endMs) - Math.max(beginMs, week.startMs)
        return sum + Math.max(0, inWeek) / 1000
      }, 0)
  const sessions = [
    ...input.live,
    ...begun.map(({ account, work, endsMs, steps }) => ({
      account,
      work,
      endsMs,
      expectedSteps: steps,
    })),
  ]
  const over = sessions.filter(({ endsMs }) => endsMs <= nowMs)
  return {
    ...input,
    nowMs,
    horizonSeconds: (plan.untilMs - nowMs) / 1000,
    live: sessions.filter(({ endsMs }) => endsMs > nowMs),
    accounts: input.accounts.map((account) => ({
      ...account,
      weeks: account.weeks
        .map((week) => ({ ...week, leftSeconds: week.leftSeconds - charged(account, week) }))
        .filter(({ endMs }) => endMs > nowMs),
    })),
    runs: input.runs.map((run) => {
      const isIts = ({ work }: { work: { kind: string; id: string } }) =>
        work.kind === 'run' && work.id === run.id
      const lastGeneration = new Map(run.lastGeneration)
      let generation = Math.max(0, ...lastGeneration.values())
      for (const stay of begun.filter(isIts)) lastGeneration.set(stay.account, ++generation)
      const done = over.filter(isIts).reduce((sum, { expectedSteps }) => sum + expectedSteps, 0)
      const starts = begun.filter(isIts).map(({ startMs }) => startMs)
      const last = starts.length > 0 ? { lastStartMs: Math.max(...starts) } : {}
      return { ...run, ...last, lastGeneration, remainingSteps: run.remainingSteps - done }
    }),
  }
}
