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
 * Work is laid into the hours and slots that are left by priority, and serving before training where that is equal. What comes
 * first takes what it needs for all the days of the plan: so the hours of windows still to come are kept from training of the
 * same or a lower priority, of two policies of one priority the older is served first, and a policy that always wants a node
 * leaves no hours to training of its own priority where its windows can use them. Runs of one priority share: see `layTraining`.
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
      const trained = layTraining(book, input, work.runs)
      laid.push(...trained.stays)
      for (const [id, finishMs] of trained.finishes) finishes.set(id, finishMs)
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
  /** Of one priority, in the order of their age and id. */
  | { readonly kind: 'runs'; readonly runs: readonly PlanRun[] }

/** Works as they are laid: greater priority, then serving, by age and id. */
function inOrder({ policies, runs }: PlanInput): Work[] {
  const priorities = new Set([...policies, ...runs].map(({ priority }) => priority))
  return [...priorities]
    .toSorted((a, b) => b - a)
    .flatMap((priority): Work[] => {
      const isOfIt = (work: PlanPolicy | PlanRun) => work.priority === priority
      const mine = runs.filter(isOfIt).toSorted(byAge)
      return [
        ...policies
          .filter(isOfIt)
          .toSorted(byAge)
          .map((policy) => ({ kind: 'policy', policy }) as const),
        ...(mine.length > 0 ? [{ kind: 'runs', runs: mine } as const] : []),
      ]
    })
}

const byAge = (a: PlanPolicy | PlanRun, b: PlanPolicy | PlanRun): number =>
  a.createdMs - b.createdMs || byName(a.id, b.id)
