import type { Laid } from './laid.ts'
import { layPlan, makePlan } from './make-plan.ts'
import type { Constraint, Explained, Plan, Stay } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { relax } from './relax.ts'

/**
 * Each stay of the plan with the constraint that bound it and the account that would have been next.
 *
 * A constraint is named because the plan was made again without it: of those that might bind, in the order in which they are
 * likely to, it is the first whose relaxing (`relax`) changes this stay; else the first that changes any other stay; `none`
 * when no relaxing changes anything.
 */
export function explain(input: PlanInput): Explained[] {
  const { plan, laid } = layPlan(input)
  const before = textsOf(plan)
  const replans = new Map<string, Replan>()
  const relaxed = (by: Constraint): Replan => {
    const key = JSON.stringify(by)
    const known = replans.get(key)
    if (known) return known
    const stays = textsOf(makePlan(relax(input, by)))
    const has = new Set(stays)
    const changes = stays.length !== before.length || before.some((text) => !has.has(text))
    const replan = { has, changes }
    replans.set(key, replan)
    return replan
  }
  return laid.map((one) => ({
    stay: one.stay,
    bound: boundOf(input, one, relaxed),
    runnerUp: one.runnerUp,
  }))
}

/** The plan as it is without some constraint. */
interface Replan {
  readonly has: ReadonlySet<string>
  readonly changes: boolean
}

function boundOf(input: PlanInput, laid: Laid, relaxed: (by: Constraint) => Replan): Constraint {
  const tried = candidates(input, laid)
  const own = textOf(laid.stay)
  return (
    tried.find((by) => !relaxed(by).has.has(own)) ??
    tried.find((by) => relaxed(by).changes) ?? { kind: 'none' }
  )
}

const textsOf = ({ stays }: Plan): string[] => stays.map(textOf)

const textOf = ({ account, work, startMs, seconds, steps }: Stay): string =>
  [account, work.kind, work.id, startMs, seconds, steps].join('|')

/** What might bind a stay, the likelier first: its own account and work, then the other accounts. */
function candidates(input: PlanInput, { stay, beginMs }: Laid): Constraint[] {
  const { work } = stay
  const own = input.accounts.filter(({ name }) => name === stay.account)
  const others = input.accounts
    .filter(({ name }) => name !== stay.account)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const policies = input.policies.map(({ id }) => id).toSorted()
  const list: Constraint[] = []
  if (work.kind === 'policy') list.push({ kind: 'window', policy: work.id })
  const policy = input.policies.find(({ id }) => work.kind === 'policy' && id === work.id)
  if (policy?.maxSessionSeconds !== undefined) list.push({ kind: 'run-limit', run: policy.id })
  const run = input.runs.find(({ id }) => work.kind === 'run' && id === work.id)
  const limit = own[0]?.maxSessionSeconds ?? 0
  const sessionLimit = { kind: 'session-limit', account: stay.account } as const
  if (stay.seconds > limit - 60) list.push(sessionLimit)
  if (run) list.push({ kind: 'run-limit', run: run.id }, { kind: 'need', run: run.id })
  const endMs = beginMs + stay.seconds * 1000
  for (const { name, weeks } of own) {
    for (const { startMs, endMs: resetMs } of weeks) {
      if (startMs > endMs || resetMs <= beginMs) continue
      list.push({ kind: 'hours', account: name, weekStartMs: startMs })
    }
    for (const other of policies) {
      if (other !== work.id) list.push({ kind: 'reserve', policy: other, account: name })
    }
    list.push({ kind: 'slots', account: name }, { kind: 'hold', account: name })
    list.push({ kind: 'person', account: name })
  }
  if (run) list.push({ kind: 'one-session', run: run.id })
  list.push(sessionLimit)
  for (const { name, weeks } of others) {
    list.push({ kind: 'hold', account: name }, { kind: 'person', account: name })
    list.push({ kind: 'slots', account: name }, { kind: 'session-limit', account: name })
    for (const { startMs } of weeks)
      list.push({ kind: 'hours', account: name, weekStartMs: startMs })
  }
  for (const { id } of input.runs) {
    if (id === work.id) continue
    list.push({ kind: 'need', run: id }, { kind: 'run-limit', run: id })
    list.push({ kind: 'one-session', run: id })
  }
  for (const id of policies) {
    if (id !== work.id) list.push({ kind: 'window', policy: id })
  }
  for (const { name, weeks } of own) {
    for (const { startMs } of weeks)
      list.push({ kind: 'hours', account: name, weekStartMs: startMs })
  }
  return list
}
