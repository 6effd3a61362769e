import type { Run, RunEvent, StartedRun } from '../api/schemas.ts'
import { comparison } from './comparison.ts'
import { finishWords } from './finish-words.ts'
import { bytes, wallTime } from './narrate.ts'
import { story } from './story.ts'
import { bar, sparkline, table } from './table.ts'

/** What a person asked for beside the run itself. */
interface Asked {
  readonly dryRun?: boolean
  readonly smoke?: boolean
}

/** What `train start` answers: that it has begun, or what it would take; warnings in both. */
export function describeStart(run: StartedRun, asked: Asked): string {
  const kind = asked.smoke ? ', a smoke run in two sessions' : ''
  const steps = `${run.targetSteps} steps with the engine ${run.engine}${kind}`
  const warnings = run.warnings.map((warning) => `Warning: ${warning}`)
  if (!asked.dryRun) {
    const watch = `  Watch it: rodizio train show ${run.name}   or: rodizio train logs ${run.name} --follow`
    return [`Run ${run.name} (${run.id}): ${steps}.`, watch, ...warnings].join('\n')
  }
  return [
    `Nothing was begun. It would be ${steps}.`,
    ...(run.predictions ? ['', describePredictions(run.predictions)] : []),
    ...(warnings.length > 0 ? ['', ...warnings] : []),
  ].join('\n')
}

function describePredictions(predictions: NonNullable<StartedRun['predictions']>): string {
  const { uses, ...figures } = predictions
  const named = Object.entries(figures)
  const from = named.filter(([, { likely }]) => likely !== null)
  return [
    `Will use ${uses}.`,
    table(
      ['FIGURE', 'PREDICTED'],
      named.map(([name, { text }]) => [name, text]),
    ),
    ...(from.length > 0 ? ['From:'] : []),
    ...from.map(([name, { source }]) => `  ${name}: ${source}`),
  ].join('\n')
}

/** What of a run is told beside itself. */
export interface Told {
  /** Its events, oldest first. */
  readonly events: readonly RunEvent[]
  readonly now: Date
  /** Whose days and hours are shown. */
  readonly zone: string
}

/** What `train show` answers: the run with its story, its checkpoints and its artifact, and when it will be done. */
export function describeRun(run: Run, { events, now, zone }: Told): string {
  const lines = [
    `Run ${run.name} (${run.id}): ${run.state}, engine ${run.engine}${run.options.smoke === true ? ', a smoke run: a trial of the whole way, not a training' : ''}`,
    `  ${bar(run.step, run.targetSteps)}  step ${run.step} of ${run.targetSteps}`,
  ]
  if (run.loss) {
    lines.push(
      `  loss ${run.loss.first.toFixed(3)} → ${run.loss.last.toFixed(3)}  ${sparkline(
        run.losses.map(({ loss }) => loss),
        40,
      )}`,
    )
  }
  if (run.standing) {
    const { name: standing, number } = run.standing
    lines.push(`  number ${number} of the standing run ${standing}: rodizio train show ${standing}`)
  }
  if (run.priority !== 0) lines.push(`  priority ${run.priority}`)
  if (run.finish) lines.push(`  done: ${finishWords(run.finish, now, zone)}`)
  if (run.waiting) lines.push(`  waiting: ${run.waiting}`)
  if (run.failure) lines.push(`  failed: ${run.failure}`)
  const told = story(run, events, now, zone)
  if (told.length > 0) lines.push('', 'Story:', ...told)
  const kept = run.checkpoints.filter(({ state }) => state === 'committed')
  if (kept.length > 0) lines.push('', checkpoints(kept))
  if (run.artifact) {
    const note = run.artifact.label === 'dry' ? ' (dry: a rehearsal, not an adapter)' : ''
    lines.push(
      '',
      `Artifact "${run.artifact.label}"${note} at step ${run.artifact.step}:`,
      `  ${run.artifact.path}`,
      ...comparison(run.artifact.metrics),
    )
  }
  return lines.join('\n').replaceAll(/\n{3,}/g, '\n\n')
}

const checkpoints = (kept: Run['checkpoints']): string =>
  table(
    ['CHECKPOINT', 'SESSION', 'SIZE', 'HELD-OUT LOSS', 'COMMITTED'],
    kept.map((c) => [
      `step ${c.step}`,
      String(c.generation),
      bytes(c.bytes),
      typeof c.metrics.heldOutLoss === 'number' ? c.metrics.heldOutLoss.toFixed(3) : '',
      wallTime(c.committedAt),
    ]),
  )
