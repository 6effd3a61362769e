import type { Run, StartedRun } from '../api/schemas.ts'
import { comparison } from './comparison.ts'
import { bytes, seconds, wallTime } from './narrate.ts'
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

/** What `train show` answers: the run with its sessions, checkpoints and artifact. */
export function describeRun(run: Run): string {
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
  if (run.waiting) lines.push(`  waiting: ${run.waiting}`)
  if (run.failure) lines.push(`  failed: ${run.failure}`)
  const sessions = run.sessions.map((s) => [
    String(s.generation),
    `${s.account} (${s.provider}${s.emulated ? ', emulated' : ''})`,
    s.outcome ?? s.state,
    `${s.fromStep} → ${s.toStep}`,
    s.usedSeconds === null ? '' : seconds(s.usedSeconds),
    s.link
      ? `open ${s.link} and press Run all`
      : (s.reason ?? (s.sealed ? 'takes no orders: no public address' : '')),
  ])
  lines.push('', table(['SESSION', 'ACCOUNT', 'OUTCOME', 'STEPS', 'USED', 'WHY'], sessions))
  const kept = run.checkpoints.filter(({ state }) => state === 'committed')
  lines.push(
    '',
    table(
      ['CHECKPOINT', 'SESSION', 'SIZE', 'HELD-OUT LOSS', 'COMMITTED'],
      kept.map((c) => [
        `step ${c.step}`,
        String(c.generation),
        bytes(c.bytes),
        typeof c.metrics.heldOutLoss === 'number' ? c.metrics.heldOutLoss.toFixed(3) : '',
        wallTime(c.committedAt),
      ]),
    ),
  )
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
