import type { Constraint } from './plan.ts'
import type { PlanAccount, PlanInput, PlanPolicy, PlanRun } from './plan-input.ts'

const hourSeconds = 3600

/**
 * The same input with one constraint made looser by a fixed measure: an hour more of that week, of the session limit or of a
 * policy's windows; twice the longest session of the run or policy; half as many steps again; no hold; one more slot; a person who is always
 * there; no such policy; a run's live session an hour shorter, or, without one, two runs that share its steps. `none` changes nothing.
 */
export function relax(input: PlanInput, by: Constraint): PlanInput {
  switch (by.kind) {
    case 'hours':
      return account(input, by.account, ({ weeks }) => ({
        weeks: weeks.map((week) =>
          week.startMs === by.weekStartMs
            ? { ...week, leftSeconds: week.leftSeconds + hourSeconds }
            : week,
        ),
      }))
    case 'session-limit':
      return account(input, by.account, ({ maxSessionSeconds }) => ({
        maxSessionSeconds: maxSessionSeconds + hourSeconds,
      }))
    case 'hold':
      return account(input, by.account, () => ({ holdUntilMs: null, holdReason: null }))
    case 'slots':
      return account(input, by.account, ({ maxConcurrent }) => ({
        maxConcurrent: maxConcurrent + 1,
      }))
    case 'person':
      return account(input, by.account, () => ({ waking: null, away: [] }))
    case 'run-limit':
      return {
        ...run(input, by.run, ({ maxSessionSeconds, sessionSteps }) => ({
          maxSessionSeconds: maxSessionSeconds === null ? null : maxSessionSeconds * 2,
          sessionSteps: sessionSteps === null ? null : sessionSteps * 2,
        })),
        policies: input.policies.map((one) =>
          one.id === by.run && one.maxSessionSeconds !== undefined
            ? { ...one, maxSessionSeconds: one.maxSessionSeconds * 2 }
            : one,
        ),
      }
    case 'need':
      return run(input, by.run, ({ remainingSteps }) => ({
        remainingSteps: Math.ceil(remainingSteps * 1.5),
      }))
    case 'window':
      return {
        ...input,
        policies: input.policies.map((one) => (one.id === by.policy ? longer(one) : one)),
      }
    case 'reserve':
      return { ...input, policies: input.policies.filter(({ id }) => id !== by.policy) }
    case 'one-session':
      return input.live.some(({ work }) => work.kind === 'run' && work.id === by.run)
        ? endedSooner(input, by.run)
        : shared(input, by.run)
    case 'none':
      return input
  }
}

const account = (
  input: PlanInput,
  name: string,
  change: (account: PlanAccount) => Partial<PlanAccount>,
): PlanInput => ({
  ...input,
  accounts: input.accounts.map((one) => (one.name === name ? { ...one, ...change(one) } : one)),
})

const run = (
  input: PlanInput,
  id: string,
  change: (run: PlanRun) => Partial<PlanRun>,
): PlanInput => ({
  ...input,
  runs: input.runs.map((one) => (one.id === id ? { ...one, ...change(one) } : one)),
})

/** Each window ends an hour later; one that is the whole day stays as it is. */
function longer(policy: PlanPolicy): PlanPolicy {
  if (policy.windows === 'always') return policy
  return {
    ...policy,
    windows: policy.windows.map((window) =>
      window.toHour === window.fromHour ? window : { ...window, toHour: window.toHour + 1 },
    ),
  }
}

const endedSooner = (input: PlanInput, id: string): PlanInput => ({
  ...input,
  live: input.live.map((live) =>
    live.work.kind === 'run' && live.work.id === id
      ? { ...live, endsMs: live.endsMs - hourSeconds * 1000 }
      : live,
  ),
})

/** Two runs in the place of one, each with a half of its steps. */
function shared(input: PlanInput, id: string): PlanInput {
  return {
    ...input,
    runs: input.runs.flatMap((one) => {
      if (one.id !== id) return one
      const half = Math.ceil(one.remainingSteps / 2)
      return [
        { ...one, remainingSteps: half },
        { ...one, id: `${one.id}+`, remainingSteps: one.remainingSteps - half },
      ]
    }),
  }
}
