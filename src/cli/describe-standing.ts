import type {
  StandingRemoval,
  StandingRun,
  StandingRunDetails,
  StandingStopAnswer,
  StartedStandingRun,
} from '../api/standing-schemas.ts'
import { counted } from './describe-removal.ts'
import { describeStart } from './describe-run.ts'
import { finishWords } from './finish-words.ts'
import { printable } from './narrate.ts'
import { table } from './table.ts'
import { momentOf } from './wall-time.ts'

const units = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const

/** A duration as people give it: `7d`, `90m`, `20s`; whole in its unit. */
export function durationText(seconds: number): string {
  const [factor, unit] = units.find(([size]) => seconds % size === 0) ?? [1, 's']
  return `${seconds / factor}${unit}`
}

/** What opens the next run, short: `every 7d or 50 new`. */
const rhythm = ({ everySeconds, whenNew }: StandingRun): string =>
  [
    ...(everySeconds === null ? [] : [`every ${durationText(everySeconds)}`]),
    ...(whenNew === null ? [] : [`${whenNew} new`]),
  ].join(' or ')

/** The same in words, of a run to come. */
const rule = ({ everySeconds, whenNew, dataset }: StandingRun): string =>
  [
    ...(everySeconds === null ? [] : [`every ${durationText(everySeconds)}`]),
    ...(whenNew === null
      ? []
      : [`when ${counted(whenNew, 'training example')} more are in ${dataset}`]),
  ].join(', or ')

/** What `train start --every` answers: that it has begun, or what it would be. */
export function describeStandingStart(
  { standing, run }: StartedStandingRun,
  isDry: boolean,
): string {
  const { name, waiting } = standing
  const law = `the next one ${rule(standing)}, from the adapter of the last; never two open`
  if (isDry) {
    const first = run ? describeStart(run, { dryRun: true }) : 'Nothing was begun.'
    return `${first}\n\nAs the standing run ${name}: this run at once, ${law}.`
  }
  const begun = run ? describeStart(run, {}) : `No run is opened yet: ${printable(waiting ?? '?')}`
  return [
    `Standing run ${name}: ${law}.`,
    `  See what it does: rodizio train show ${name}   Stop it: rodizio train stop ${name}`,
    begun,
  ].join('\n')
}

/** The standing runs of `train list`. */
export function describeStandingRuns(
  standing: readonly StandingRun[],
  now: Date,
  zone: string,
): string {
  return table(
    ['STANDING RUN', 'STATE', 'OPENS', 'LAST RUN', 'NEXT'],
    standing.map((one) => [
      one.name,
      one.state,
      rhythm(one),
      one.last ? `${one.last.name}: ${one.last.state}` : '',
      next(one, now, zone),
    ]),
  )
}

/** When the next run is opened, short. */
function next(one: StandingRun, now: Date, zone: string): string {
  const { openRun, nextAt } = one
  if (one.state === 'stopped') return 'none'
  const due = nextAt !== null && new Date(nextAt) > now ? momentOf(new Date(nextAt), zone) : null
  if (openRun) return `after ${openRun}${due ? `, from ${due}` : ''}`
  const missing = one.missing === null ? null : `${counted(one.missing, 'example')} more`
  return [due, missing].filter((part) => part !== null).join(' or ') || 'now'
}

const outcome = ({ state, step, targetSteps, failure }: StandingRunDetails['runs'][number]) =>
  failure === null ? state : `${state} at step ${step} of ${targetSteps}: ${printable(failure)}`

const because = { first: 'the first', period: 'time', examples: 'new examples' } as const

/** What `train show` answers of a standing run: its rule, its runs in order, what is next and why. */
export function describeStanding(one: StandingRunDetails, now: Date, zone: string): string {
  const lines = [
    `Standing run ${one.name} (${one.id}): ${one.state}${one.stoppedWhy ? `, ${printable(one.stoppedWhy)}` : ''}`,
    `  opens a run ${rule(one)}; never two`,
    `  data ${one.dataset}, engine ${one.engine}`,
  ]
  if (one.runs.length > 0) {
    lines.push(
      '',
      table(
        ['RUN', 'OPENED', 'BY', 'EXAMPLES', 'STEP', 'LOSS', 'OUTCOME'],
        one.runs.map((run) => [
          run.name,
          momentOf(new Date(run.openedAt), zone),
          because[run.because],
          String(run.examples),
          `${run.step}/${run.targetSteps}`,
          run.loss ? `${run.loss.first.toFixed(3)} → ${run.loss.last.toFixed(3)}` : '',
          outcome(run),
        ]),
      ),
    )
  }
  return [...lines, '', ...nextLines(one, now, zone)].join('\n')
}

function nextLines(one: StandingRunDetails, now: Date, zone: string): string[] {
  if (one.state === 'stopped') {
    return [
      one.openRun
        ? `Next: none. Its run ${one.openRun} goes on to its end.`
        : 'Next: none. It is stopped.',
    ]
  }
  const when: string[] = []
  if (one.openRun) {
    const done = one.finish ? ` (likely ${finishWords(one.finish, now, zone)})` : ''
    when.push(`once ${one.openRun} is over${done}`)
  }
  const due = one.nextAt === null ? null : new Date(one.nextAt)
  const time = due && due > now ? `not before ${momentOf(due, zone)}` : null
  const { missing } = one
  const examples = missing ? `${counted(missing, 'more example')} in the data` : null
  if (time) when.push(examples ? `${time} or ${examples}` : time)
  else if (!due && examples) when.push(`with ${examples}`)
  const from = one.fromAdapter
    ? `It begins with the adapter of ${one.fromAdapter}.`
    : 'It begins with the base alone: no run of it has left an adapter.'
  return [
    `Next: ${when.join(', ') || 'now'}.`,
    ...(one.waiting ? [`  waiting: ${printable(one.waiting)}`] : []),
    `  ${from}`,
  ]
}

/** What `train stop` answers of a standing run. */
export function describeStandingStop(
  { standing, openRun, message }: StandingStopAnswer,
  withRun: boolean,
): string {
  const told = `Standing run ${standing} is stopped: ${message}.`
  return openRun && !withRun ? `${told}\n  To stop it too: rodizio train stop ${openRun}` : told
}

/** What `train rm` answers of a standing run. */
export function describeStandingRemoval({
  standing,
  runs,
  lastRun,
  state,
}: StandingRemoval): string {
  const stay =
    runs === 0
      ? 'It has opened no run that is there.'
      : `Its ${counted(runs, 'run')} ${runs === 1 ? 'stays' : 'stay'}.`
  const done =
    state === 'kept'
      ? `Nothing was removed. The standing run ${standing} would go.`
      : `Removed the standing run ${standing}.`
  const further = lastRun ? `\n  The newest of them: rodizio train show ${lastRun}` : ''
  return `${done} ${stay}${further}`
}
