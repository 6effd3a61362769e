import { byName, openBook } from './book.ts'
import type { Laid } from './laid.ts'
import { layServing } from './lay-serving.ts'
import { layTraining } from './lay-training.ts'
import type { Plan } from './plan.ts'
import type { PlanInput, PlanPolicy, PlanRun } from './plan-input.ts'
import { waitsOf } from './waits.ts'

/**
 * Who does what in the days to come. Pure: the same input, in any order of its lists, gives the same plan.
 *
 * Work is laid one after the other into the hours and slots that are left: by priority, serving before training where that is
 * equal, then by age, then by id. What comes first takes what it needs for all the days of the plan; so the hours of windows
 * still to come are kept from training of the same or a lower priority, of two runs or policies of one priority the older is
 * served first and the younger has what remains, and a policy that always wants a node leaves no hours to training of its own
 * priority where its windows can use them.
 *
 * No stay takes more than its weeks, its account's slots and its longest session allow; a person's account is launched in
 * waking hours alone; a run has one session at a time, and none that cannot bring a step and its checkpoint home.
 *
 * More hours in one week of one account are meant never to let the run that is laid first finish later, but for rounding: a
 * start, a step and a minute for each session. Nothing proves it, since a choice follows only some of all continuations. Of drawn
 * worlds in which that run finishes, one in 22 728 broke it where all accounts are launched by API and train alike fast, for
 * longer sessions then only fill idle time; about one in 6 700 where hours of launching close or speeds differ. A run that is
 * laid later may always finish later: what comes before it may use the hours otherwise.
 */
export function makePlan(input: PlanInput): Plan {
  return layPlan(input).plan
}

/** A plan, with what only its laying knows of each stay, in the same order. */
export function layPlan(input: PlanInput): { readonly plan: Plan; readonly laid: Laid[] } {
  const book = openBook(input)
  const laid: Laid[] = []
  const finishes = new Map<string, number>()
  const unserved = new Map<string, number>()
  for (const work of inOrder(input)) {
    if (work.kind === 'policy') {
      const { stays, unservedSeconds } = layServing(book, input, work.policy)
      laid.push(...stays)
      unserved.set(work.policy.id, unservedSeconds)
    } else {
      const { stays, finishMs } = layTraining(book, input, work.run)
      laid.push(...stays)
      if (finishMs !== null && finishMs <= book.untilMs) finishes.set(work.run.id, finishMs)
    }
  }
  laid.sort((a, b) => a.stay.startMs - b.stay.startMs || byName(a.stay.account, b.stay.account))
  const stays = laid.map(({ stay }) => stay)
  const waits = waitsOf(input, book, stays)
  const plan = { madeMs: book.nowMs, untilMs: book.untilMs, stays, waits, finishes, unserved }
  return { plan, laid }
}

type Work =
  | { readonly kind: 'policy'; readonly policy: PlanPolicy }
  | { readonly kind: 'run'; readonly run: PlanRun }

/** Works as they are laid: greater priority, serving, age, id. */
function inOrder(input: PlanInput): Work[] {
  const works: Work[] = [
    ...input.policies.map((policy) => ({ kind: 'policy', policy }) as const),
    ...input.runs.map((run) => ({ kind: 'run', run }) as const),
  ]
  const what = (work: Work) => (work.kind === 'policy' ? work.policy : work.run)
  return works.sort(
    (a, b) =>
      what(b).priority - what(a).priority ||
      byName(a.kind, b.kind) ||
      what(a).createdMs - what(b).createdMs ||
      byName(what(a).id, what(b).id),
  )
}
