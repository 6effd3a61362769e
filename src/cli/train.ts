import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import type { RunEvent, RunSummary } from '../api/schemas.ts'
import { systemClock } from '../lib/clock.ts'
import type { Context } from './context.ts'
import { describeRunRemoval } from './describe-removal.ts'
import { describeRun, describeStart } from './describe-run.ts'
import { describeStandingRuns } from './describe-standing.ts'
import { collect } from './flag-values.ts'
import { sentence, wallTime } from './narrate.ts'
import { type StartFlags, wantedRun } from './start-flags.ts'
import { table } from './table.ts'
import { priorityCommand } from './train-priority.ts'
import {
  isStanding,
  orStanding,
  refuseStanding,
  removeStanding,
  showStanding,
  startStanding,
  stopStanding,
} from './train-standing.ts'
import { localZone } from './wall-time.ts'

/** `rodizio train …`: begin, look at, follow, stop and remove runs. */
export function trainCommands(program: Command, context: Context): void {
  const train = program.command('train').description('begin, watch, stop and remove training runs')

  train
    .command('start')
    .description('begin a run; its sessions rotate over the accounts until it has its steps')
    .requiredOption('--data <name>', 'data set: a name or a version (rodizio data list)')
    .option('--name <name>', 'name of the run')
    .option(
      '--engine <engine>',
      'dry (a small real learner in plain Python), trl (4-bit LoRA; its program has not been executed on a GPU yet) or unsloth (the same in half the time; never executed)',
    )
    .option('--steps <n>', 'optimizer steps; as many as --epochs take when left out')
    .option('--epochs <n>', 'passes over the data, default 1')
    .option('--seed <n>', 'seed of data order and dropout')
    .option(
      '--priority <n>',
      'from -100 to 100, default 0: greater is sooner, runs of one priority share',
    )
    .option(
      '--set <field=value>',
      'a field of the plan, such as learningRate=0.0002; repeatable',
      collect,
    )
    .option(
      '--targets <layers>',
      'the linear layers to train, such as q_proj,v_proj; needed for a base that rodizio bases does not list',
    )
    .option(
      '--from-adapter <run>',
      'begin with the adapter of a completed run (name or id) instead of a fresh one',
    )
    .option(
      '--session-max <duration>',
      "longest session, such as 8h; the account's own limit when left out",
    )
    .option('--save-every <duration>', 'a checkpoint at least this often, default 15m')
    .option(
      '--heartbeat <duration>',
      'how often sessions report, default 60s; three missed mean lost',
    )
    .option(
      '--step-pace <duration>',
      'make each step take at least this long (engine dry, for watching)',
    )
    .option(
      '--every <duration>',
      'make it a standing run: a run now, and the next one whenever so much time has passed, such as 7d',
    )
    .option(
      '--when-new <n>',
      'likewise, as soon as the data set has n training examples more; with --every, whichever comes first',
    )
    .option(
      '--smoke',
      'try the whole way first: five real steps, a checkpoint, and its resume in a second session, some ten minutes of quota',
    )
    .option('--dry-run', 'check everything, tell memory, hours and warnings, begin nothing')
    .option('--watch', 'follow the run to its end')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio train start --data pira --epochs 2\n  rodizio train start --data pira --engine trl --dry-run\n  rodizio train start --data pira --engine trl --smoke --watch\n  rodizio train start --data pira --engine trl --set base=Qwen/Qwen2.5-7B-Instruct --dry-run\n  rodizio train start --data pira --engine trl --set base=/models/mine --targets q_proj,k_proj,v_proj,o_proj\n  rodizio train start --data more --engine trl --from-adapter support\n  rodizio train start --data support --name weekly --engine trl --every 7d --when-new 50\n  rodizio train start --data pira --engine dry --steps 120 --session-max 20s --save-every 5s --heartbeat 2s --watch',
    )
    .action(async (flags: StartFlags) => {
      if (isStanding(flags)) {
        const first = await startStanding(context, flags)
        if (flags.watch && !flags.dryRun && first) await follow(context, first, 0)
        return
      }
      const client = context.client()
      const run = await client.startRun(wantedRun(flags), flags.dryRun ? undefined : randomUUID())
      context.answer(run, () => describeStart(run, flags))
      if (flags.watch && !flags.dryRun) await follow(context, run.name, 0)
    })

  train
    .command('list')
    .description('all runs, newest first, and the standing ones')
    .addHelpText('after', '\nExample:\n  rodizio train list --json')
    .action(async () => {
      const client = context.client()
      const runs = await client.runs()
      const standing = await client.standingRuns()
      context.answer({ items: runs, next: null, standing }, () => {
        const told =
          runs.length === 0
            ? 'No runs yet. Begin one with: rodizio train start --data NAME'
            : runList(runs)
        const now = systemClock.now()
        return standing.length === 0
          ? told
          : `${told}\n\n${describeStandingRuns(standing, now, localZone())}`
      })
    })

  train
    .command('show <run>')
    .description(
      'a run: when it will be done, its story session by session, checkpoints and loss; or a standing run: its runs, and what is next',
    )
    .option('--watch', 'follow it to its end; of a standing run, the run of it that is open')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio train show sample\n  rodizio train show sample --json\n  rodizio train show weekly',
    )
    .action(async (name: string, flags: { watch?: boolean }) => {
      const client = context.client()
      const run = await orStanding(client.run(name), async () => {
        const openRun = await showStanding(context, name)
        if (flags.watch && openRun) await follow(context, openRun, Number.MAX_SAFE_INTEGER)
      })
      if (!run) return
      const events = context.isJson() ? [] : await client.events(name, 0)
      const told = { events, now: systemClock.now(), zone: localZone() }
      context.answer(run, () => describeRun(run, told))
      if (flags.watch) await follow(context, name, Number.MAX_SAFE_INTEGER)
    })

  train
    .command('stop <run>')
    .description(
      'stop a run: its session takes a checkpoint and ends; or a standing run: no other one is opened',
    )
    .option('--run', 'of a standing run: stop its open run as well, which else goes on')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio train stop sample\n  rodizio train stop weekly\n  rodizio train stop weekly --run',
    )
    .action(async (name: string, flags: { run?: boolean }) => {
      const answer = await orStanding(context.client().stopRun(name), () =>
        stopStanding(context, name, flags.run === true),
      )
      if (!answer) return
      context.answer(answer, () => `Run ${answer.run}: ${answer.message}.`)
    })

  priorityCommand(train, context)

  train
    .command('rm <run>')
    .description(
      'remove a run that is over, with its checkpoints and its artifact, for good; or a standing run that is stopped, whose runs stay',
    )
    .option('--dry-run', 'say what would go, and remove nothing')
    .addHelpText(
      'after',
      '\nAn open run is not removed, nor one whose adapter another run began with. The hours that it took stay in the books.\n\nExamples:\n  rodizio train rm sample --dry-run\n  rodizio train rm sample',
    )
    .action(async (name: string, flags: { dryRun?: boolean }) => {
      const isDry = flags.dryRun === true
      const removal = await orStanding(context.client().removeRun(name, isDry), () =>
        removeStanding(context, name, isDry),
      )
      if (!removal) return
      context.answer(removal, () => describeRunRemoval(removal))
    })

  train
    .command('logs <run>')
    .description('what happened to a run, in order')
    .option('--follow', 'go on until the run ends')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio train logs sample --follow\n  rodizio train logs sample --json',
    )
    .action(async (name: string, flags: { follow?: boolean }) => {
      await orStanding(context.client().run(name), () => refuseStanding(context, name, 'logs'))
      if (flags.follow) {
        await follow(context, name, 0)
        return
      }
      const events = await context.client().events(name, 0)
      context.answer({ items: events, next: null }, () => events.map(told).join('\n'))
    })
}

/** All runs in a table; their priorities where one has another than 0. */
export function runList(runs: readonly RunSummary[]): string {
  const isRanked = runs.some(({ priority }) => priority !== 0)
  return table(
    ['RUN', 'STATE', 'STEP', 'SESSIONS', 'ENGINE', 'STARTED', ...(isRanked ? ['PRIORITY'] : [])],
    runs.map((r) => [
      r.name,
      r.state,
      `${r.step}/${r.targetSteps}`,
      String(r.sessions),
      r.engine,
      r.createdAt.slice(0, 16).replace('T', ' '),
      ...(isRanked ? [r.priority === 0 ? '' : String(r.priority)] : []),
    ]),
  )
}

const told = (event: RunEvent): string => `${wallTime(event.at)}  ${sentence(event)}`

const over = new Set(['completed', 'failed', 'stopped'])

/** Prints events as they come until the run is over; from the first one, or only new ones. */
async function follow(context: Context, name: string, from: number): Promise<void> {
  const client = context.client()
  let after = from
  if (from === Number.MAX_SAFE_INTEGER) after = (await client.events(name, 0)).at(-1)?.id ?? 0
  for (;;) {
    const { state } = await client.run(name)
    for (const event of await client.events(name, after)) {
      process.stdout.write(`${context.isJson() ? JSON.stringify(event) : told(event)}\n`)
      after = event.id
    }
    if (over.has(state)) return
    await systemClock.sleep(1000)
  }
}
