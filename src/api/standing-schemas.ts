import { z } from 'zod'
import { Finish, NewRun, RunSummary, StartedRun } from './schemas.ts'

const Time = z.iso.datetime()

export const NewStandingRun = z.strictObject({
  name: NewRun.shape.name.describe(
    'that of its data set when left out; its runs are called by it with a number behind',
  ),
  everySeconds: z
    .number()
    .int()
    .min(10)
    .max(366 * 86_400)
    .optional()
    .describe('a run is opened when so much time has passed since the last one was'),
  whenNew: z
    .number()
    .int()
    .min(1)
    .max(100_000_000)
    .optional()
    .describe('or when its data set has so many training examples more than the last run had'),
  run: NewRun.omit({ name: true, dryRun: true }).describe(
    'what each of its runs is asked for; the data set by its name, its newest version is taken',
  ),
  dryRun: z.boolean().default(false),
})
export type NewStandingRun = z.input<typeof NewStandingRun>

export const StandingRun = z.object({
  id: z.string(),
  name: z.string(),
  state: z.enum(['open', 'stopped']),
  stoppedWhy: z.string().nullable(),
  dataset: z.string(),
  engine: z.string(),
  everySeconds: z.number().nullable(),
  whenNew: z.number().nullable(),
  request: z.record(z.string(), z.unknown()).describe('what each of its runs is asked for'),
  count: z.number().describe('the number of the last run that it has opened'),
  last: RunSummary.nullable().describe('that run; null before the first, or when it was removed'),
  openRun: z
    .string()
    .nullable()
    .describe('name of its run that is open: before its end no other is opened'),
  newExamples: z.number().describe('training examples that the last run did not have'),
  missing: z
    .number()
    .nullable()
    .describe('examples still missing before they open the next run; null where they do not'),
  nextAt: Time.nullable().describe('the earliest moment at which time alone opens the next run'),
  waiting: z.string().nullable().describe('why no run is opened now'),
  createdAt: Time,
  lastOpenedAt: Time.nullable(),
})
export type StandingRun = z.infer<typeof StandingRun>

export const StandingRunDetails = StandingRun.extend({
  runs: z
    .array(
      RunSummary.extend({
        number: z.number(),
        because: z.enum(['first', 'period', 'examples']).describe('what opened it'),
        openedAt: Time,
        examples: z.number().describe('training examples of what it trains on'),
        loss: z
          .object({ first: z.number(), last: z.number(), best: z.number() })
          .nullable()
          .describe('training loss: mean of the first ten steps, of the last ten, and the lowest'),
        artifact: z.string().nullable().describe('label of what it has left'),
      }),
    )
    .describe('the newest fifty, in order'),
  fromAdapter: z
    .string()
    .nullable()
    .describe('name of the run whose adapter the next one begins with; null for the base alone'),
  finish: Finish.nullable().describe('when the open run will be done, by the plan'),
})
export type StandingRunDetails = z.infer<typeof StandingRunDetails>

export const StartedStandingRun = z.object({
  standing: StandingRun,
  run: StartedRun.nullable().describe(
    'its first run, or what that would be; null where it could not be opened: `waiting` says why',
  ),
})
export type StartedStandingRun = z.infer<typeof StartedStandingRun>

export const StandingStop = z.strictObject({
  run: z.boolean().default(false).describe('stop its open run as well, which else goes on'),
})
export type StandingStop = z.input<typeof StandingStop>

export const StandingStopAnswer = z.object({
  standing: z.string(),
  state: z.enum(['open', 'stopped']),
  openRun: z.string().nullable().describe('its run that was open'),
  message: z.string().describe('what will really happen'),
})
export type StandingStopAnswer = z.infer<typeof StandingStopAnswer>

export const StandingRemoval = z.object({
  standing: z.string(),
  id: z.string(),
  runs: z.number().describe('runs that it has opened; they stay'),
  lastRun: z.string().nullable().describe('name of the newest of them'),
  state: z.enum(['kept', 'removed']).describe('`kept` after a dry run'),
})
export type StandingRemoval = z.infer<typeof StandingRemoval>
