import { AppError } from '../lib/errors.ts'
import type { Verdict } from '../rotation/standing.ts'
import type { OpenedRun, StandingRun, Waiting } from './standing-run.ts'

/** Why nothing is opened, in words. */
export function inWords(
  { request }: StandingRun,
  runs: readonly OpenedRun[],
  { for: what, until, missing }: Extract<Verdict, { kind: 'wait' }>,
): Waiting {
  const newest = runs.at(-1)?.run
  const more = `${missing} more training examples in ${request.dataset}`
  const failed = newest?.state === 'failed' ? `${newest.name} has failed; ` : ''
  switch (what) {
    case 'run':
      return { for: what, why: `its run ${newest?.name} is open` }
    case 'data':
      return { for: what, why: `there is no data set ${request.dataset} any more` }
    case 'examples':
      return { for: what, why: `${failed}the next run wants ${more}` }
    case 'period': {
      const at = `the next run is opened at ${until?.toISOString()}`
      return {
        for: what,
        why: `${failed}${at}${missing === null ? '' : `, or once there are ${more}`}`,
      }
    }
  }
}

/** A name under which no standing run is known. */
export const unknownStanding = (idOrName: string) =>
  new AppError('not-found', `there is no standing run ${idOrName}`, {
    code: 'standing_unknown',
    next: 'rodizio train list shows all standing runs',
  })

/** A name that another standing run has. */
export const standingExists = (name: string) =>
  new AppError('conflict', `there is a standing run named ${name} already`, {
    code: 'standing_exists',
    next: `Choose another name with --name, or look at that one: rodizio train show ${name}`,
  })

/** The refusal to remove what still opens runs. */
export const standingOpen = (name: string) =>
  new AppError('conflict', `standing run ${name} is open: an open one is not removed`, {
    code: 'standing_open',
    next: `Stop it first: rodizio train stop ${name}`,
  })
