import { AppError } from '../lib/errors.ts'
import type { Run, ServingPolicy } from '../rotation/run.ts'

/** A run that serves instead of training. */
export type Policy = Run & { readonly serving: ServingPolicy }

const isPolicy = (run: Run): run is Policy => run.serving !== null

/** What was found under a name, as a training. @throws AppError `not-found` (`run_unknown`, `run_is_policy`) */
export function asTraining(found: Run | undefined, name: string): Run {
  if (!found) {
    throw new AppError('not-found', `there is no run ${name}`, {
      code: 'run_unknown',
      next: 'rodizio train list shows all runs',
    })
  }
  if (!isPolicy(found)) return found
  throw new AppError('not-found', `${found.name} is a serving policy, not a training run`, {
    code: 'run_is_policy',
    next: `Look at it with: rodizio serve show ${found.name} (rodizio serve list shows all policies)`,
  })
}

/** What was found under a name, as a serving policy. @throws AppError `not-found` (`policy_unknown`, `policy_is_run`) */
export function asPolicy(found: Run | undefined, name: string): Policy {
  if (!found) {
    throw new AppError('not-found', `there is no serving policy ${name}`, {
      code: 'policy_unknown',
      next: 'rodizio serve list shows all serving policies',
    })
  }
  if (isPolicy(found)) return found
  throw new AppError('not-found', `${found.name} is a training run, not a serving policy`, {
    code: 'policy_is_run',
    next: `Look at it with: rodizio train show ${found.name} (rodizio train list shows all runs)`,
  })
}

/** A run and a policy never have the same name. @throws AppError `conflict` (`run_exists`, `policy_exists`) */
export function refuseTakenName(found: Run | undefined, name: string): void {
  if (!found) return
  if (isPolicy(found)) {
    throw new AppError('conflict', `there is a serving policy named ${name} already`, {
      code: 'policy_exists',
      next: `Choose another name, or look at that one: rodizio serve show ${name}`,
    })
  }
  throw new AppError('conflict', `there is a run named ${name} already`, {
    code: 'run_exists',
    next: `Choose another name, or look at that one: rodizio train show ${name}`,
  })
}
