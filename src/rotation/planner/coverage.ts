import { canTake } from './lay-serving.ts'
import { layPlan } from './make-plan.ts'
import type { Constraint } from './plan.ts'
import type { PlanAccount, PlanInput, PlanPolicy, Span } from './plan-input.ts'
import { relax } from './relax.ts'
import { without } from './wall-hours.ts'
import { windowSpans } from './windows.ts'

/** Why a wanted window has no node. */
export type GapReason =
  | Constraint
  /** No account may serve it; `only` names the provider that alone has its base. */
  | { readonly kind: 'nobody'; readonly only: string | null }
  /** The node is coming up: its session has begun, or is about to. */
  | { readonly kind: 'start'; readonly account: string }
  /** What goes before it takes the hours or the slots. */
  | { readonly kind: 'outranked' }

/** A stretch in which a node is expected to be up. */
export interface Served extends Span {
  readonly account: string
  /** Its session has begun already. */
  readonly isLive: boolean
}

export interface Gap extends Span {
  /** The likelier first; at least one. */
  readonly why: readonly GapReason[]
}

/** When a policy's windows have a node in the days of the plan, and when not. */
export interface Coverage {
  /** In order; merged where they touch. */
  readonly wanted: readonly Span[]
  /** By their beginning, as long as the node is up: one may begin before its window, or end after it. */
  readonly served: readonly Served[]
  readonly gaps: readonly Gap[]
}

/**
 * Which hours of a policy's windows the plan covers, and for each that it does not, why.
 *
 * Each reason is named because the plan was made again without it: those whose relaxing (`relax`) leaves less of this gap open;
 * else those, of its own time, that leave less open in all.
 */
export function coverageOf(input: PlanInput, policyId: string): Coverage {
  const policy = input.policies.find(({ id }) => id === policyId)
  if (!policy) return { wanted: [], served: [], gaps: [] }
  const { wanted, served, gaps } = layOut(input, policy)
  const lanes = input.accounts.filter((account) => canTake(account, policy))
  if (lanes.length === 0) {
    const why = [{ kind: 'nobody', only: policy.only ?? null }] as const
    return { wanted, served, gaps: gaps.map((gap) => ({ ...gap, why })) }
  }
  const openAfter = memory(input, policy)
  const before = openMs(gaps)
  return {
    wanted,
    served,
    gaps: gaps.map((gap) => ({ ...gap, why: reasons(gap) })),
  }

  function reasons(gap: Span): GapReason[] {
    const begun = served.find(({ fromMs, account }) => {
      const up = lanes.find(({ name }) => name === account)
      const startMs = ((up?.startSeconds ?? 0) + (up?.answerSeconds ?? 0)) * 1000
      return fromMs === gap.toMs && gap.toMs - gap.fromMs <= startMs
    })
    if (begun) return [{ kind: 'start', account: begun.account }]
    if (openMs(openAfter({ kind: 'outranked' }), gap) < gap.toMs - gap.fromMs)
      return [{ kind: 'outranked' }]
    const tried = lanes.map((account) => candidates(account, gap))
    const here = tried.flatMap(
      (list) => list.find((by) => openMs(openAfter(by), gap) < gap.toMs - gap.fromMs) ?? [],
    )
    if (here.length > 0) return here
    const anywhere = tried.flatMap(
      (list) => list.find((by) => openMs(openAfter(by)) < before) ?? [],
    )
    return anywhere.length > 0 ? anywhere : [{ kind: 'none' }]
  }
}

/** What might keep an account from serving then, the likelier first. */
function candidates({ name, weeks }: PlanAccount, gap: Span): Constraint[] {
  const spent = weeks.filter(({ startMs, endMs }) => startMs < gap.toMs && endMs > gap.fromMs)
  return [
    { kind: 'hold', account: name },
    ...spent.map(
      ({ startMs }) => ({ kind: 'hours', account: name, weekStartMs: startMs }) as const,
    ),
    { kind: 'person', account: name },
    { kind: 'session-limit', account: name },
    { kind: 'slots', account: name },
  ]
}

/** Gaps of the plan as it is without some constraint, each asked for once. */
function memory(input: PlanInput, policy: PlanPolicy) {
  const known = new Map<string, readonly Span[]>()
  return (by: Constraint | { readonly kind: 'outranked' }): readonly Span[] => {
    const key = JSON.stringify(by)
    const before = known.get(key)
    if (before) return before
    const relaxed = by.kind === 'outranked' ? first(input, policy) : relax(input, by)
    const { gaps } = layOut(relaxed, policy)
    known.set(key, gaps)
    return gaps
  }
}

/** The same input with the policy before all other work. */
function first(input: PlanInput, policy: PlanPolicy): PlanInput {
  const most = Math.max(...[...input.runs, ...input.policies].map(({ priority }) => priority))
  const policies = input.policies.map((one) =>
    one.id === policy.id ? { ...one, priority: most + 1 } : one,
  )
  return { ...input, policies }
}

function layOut(input: PlanInput, policy: PlanPolicy) {
  const { plan, laid } = layPlan(input)
  const wanted = windowSpans(policy, plan.madeMs, plan.untilMs)
  const served: Served[] = [
    ...input.live
      .filter(({ work }) => work.kind === 'policy' && work.id === policy.id)
      .map(({ account, endsMs }) => ({
        account,
        fromMs: plan.madeMs,
        toMs: Math.max(plan.madeMs, endsMs),
        isLive: true,
      })),
    ...laid.flatMap(({ stay, beginMs }) => {
      if (stay.work.kind !== 'policy' || stay.work.id !== policy.id) return []
      const upSeconds = input.accounts.find(({ name }) => name === stay.account)?.startSeconds ?? 0
      const fromMs = beginMs + upSeconds * 1000
      return { account: stay.account, fromMs, toMs: beginMs + stay.seconds * 1000, isLive: false }
    }),
  ].toSorted((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs)
  return { wanted, served, gaps: without(wanted, served) }
}

/** How much of `within`, or of everything, lies in the gaps. */
const openMs = (gaps: readonly Span[], within?: Span): number =>
  gaps.reduce((sum, { fromMs, toMs }) => {
    const from = Math.max(fromMs, within?.fromMs ?? fromMs)
    const to = Math.min(toMs, within?.toMs ?? toMs)
    return sum + Math.max(0, to - from)
  }, 0)
