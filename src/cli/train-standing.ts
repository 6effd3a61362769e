import { randomUUID } from 'node:crypto'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import {
  describeStanding,
  describeStandingRemoval,
  describeStandingStart,
  describeStandingStop,
} from './describe-standing.ts'
import { durationOf, numberOf } from './flag-values.ts'
import { type StartFlags, wantedRun } from './start-flags.ts'
import { localZone } from './wall-time.ts'

/** Whether the flags ask for a standing run. */
export const isStanding = ({ every, whenNew }: StartFlags): boolean =>
  every !== undefined || whenNew !== undefined

/**
 * Begins a standing run, or tells with `--dry-run` what it would be.
 * @returns the name of its first run, undefined where that could not be opened
 */
export async function startStanding(
  context: Context,
  flags: StartFlags,
): Promise<string | undefined> {
  const { name, dryRun = false, ...run } = wantedRun(flags)
  if (run.smoke) {
    throw new AppError(
      'invalid',
      '--smoke: a smoke run is tried once, and a standing run opens one after the other',
      {
        code: 'standing_smoke',
        next: 'Try it first with --smoke alone, then start it with --every or --when-new',
      },
    )
  }
  const every = durationOf('--every', flags.every)
  if (every !== undefined && every < 10) {
    throw new AppError('invalid', `--every ${flags.every} is ${every} s: it is 10 s at the least`, {
      next: 'Write 12h or 7d',
    })
  }
  const whenNew = numberOf('--when-new', flags.whenNew)
  const wanted = {
    ...(name === undefined ? {} : { name }),
    ...(every === undefined ? {} : { everySeconds: Math.round(every) }),
    ...(whenNew === undefined ? {} : { whenNew }),
    run,
    dryRun,
  }
  const key = dryRun ? undefined : randomUUID()
  const started = await context.client().startStandingRun(wanted, key)
  context.answer(started, () => describeStandingStart(started, dryRun))
  return started.run?.name
}

/** What is known of a run, or nothing where there is a standing run of that name, and `instead` was done. */
export async function orStanding<T>(
  asked: Promise<T>,
  instead: () => Promise<void>,
): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'run_unknown') throw error
    try {
      await instead()
      return undefined
    } catch (other) {
      // Neither is there: the first error names what nearly everybody means.
      throw other instanceof AppError && other.code === 'standing_unknown' ? error : other
    }
  }
}

/** `rodizio train show` of a standing run; gives the name of its open run. */
export async function showStanding(context: Context, name: string): Promise<string | null> {
  const standing = await context.client().standingRun(name)
  context.answer(standing, () => describeStanding(standing, systemClock.now(), localZone()))
  return standing.openRun
}

/** `rodizio train stop` of a standing run; its open run goes on unless it is to stop as well. */
export async function stopStanding(
  context: Context,
  name: string,
  withRun: boolean,
): Promise<void> {
  const answer = await context.client().stopStandingRun(name, withRun)
  context.answer(answer, () => describeStandingStop(answer, withRun))
}

/** `rodizio train rm` of a standing run. */
export async function removeStanding(
  context: Context,
  name: string,
  isDry: boolean,
): Promise<void> {
  const removal = await context.client().removeStandingRun(name, isDry)
  context.answer(removal, () => describeStandingRemoval(removal))
}

/** Refuses what only runs have, where a standing run is named. @throws AppError `invalid` (`standing_is_no_run`) */
export async function refuseStanding(
  context: Context,
  name: string,
  command: 'logs' | 'priority',
): Promise<never> {
  const { openRun, last } = await context.client().standingRun(name)
  const run = openRun ?? last?.name
  const more = command === 'priority' ? ' N' : ''
  throw new AppError('invalid', `${name} is a standing run: that is asked of one of its runs`, {
    code: 'standing_is_no_run',
    next:
      run === undefined
        ? `See what it does: rodizio train show ${name}`
        : `For example: rodizio train ${command} ${run}${more}`,
  })
}
