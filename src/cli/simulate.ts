import type { Command } from 'commander'
import { systemClock } from '../lib/clock.ts'
import type { News } from '../rotation/engine/changes.ts'
import { withoutNodeFaults } from '../simulation/faults.ts'
import { simulate } from '../simulation/simulate.ts'
import type { Context } from './context.ts'
import {
  describeSimulated,
  describeWorld,
  type SimulatedJson,
  simulatedJson,
  violationsOf,
} from './describe-simulated.ts'
import { sentence } from './narrate.ts'
import { type SimulatedWorld, type SimulateFlags, simulatedWorld } from './simulated-world.ts'

/** `rodizio simulate`: years of the real rotation in seconds, against models of the providers; needs no service. */
export function simulateCommand(program: Command, context: Context): void {
  program
    .command('simulate')
    .description('run the rotation for years of virtual time against models of the providers')
    .option('--weeks <n>', 'how long, from 1 to 5200', '52')
    .option(
      '--seed <n>',
      'of all chance: the same seed, the same result; FIRST..LAST for several',
      '1',
    )
    .option('--faults <set>', 'what goes wrong: none, usual, all, or a JSON file of rates', 'usual')
    .option('--runs <n>', 'so many runs, and none after them; two are always open when left out')
    .option('--steps <n>', 'steps of each run; 4000 when left out')
    .option('--serve', 'serve a model on weekday evenings besides')
    .option('--node-faults', 'with --serve: nodes go down too, and are probed and replaced')
    .option('--team', 'three people who each lend Kaggle and Colab, and four open runs')
    .option('--naive', 'a loop without a plan in place of the rotation, for comparison')
    .option('--story', 'tell every event with its simulated time (UTC)')
    .addHelpText(
      'after',
      '\nExit status 1 when something happened that must never happen.\n\nExamples:\n  rodizio simulate --faults none\n  rodizio simulate --weeks 520 --seed 1..6 --faults all --json\n  rodizio simulate --weeks 40 --runs 1 --steps 30000\n  rodizio simulate --weeks 1 --serve --story',
    )
    .action(async (flags: SimulateFlags) => {
      const world = simulatedWorld(flags)
      context.say(`${describeWorld(world)}\n`)
      const results: SimulatedJson[] = []
      for (const seed of world.seeds) {
        const result = await simulateSeed(world, seed, flags.story === true, context)
        results.push(result)
        if (violationsOf(result) > 0) process.exitCode = 1
        if (context.isJson()) continue
        if (world.seeds.length > 1) context.say(`${results.length > 1 ? '\n' : ''}Seed ${seed}`)
        context.answer(result, () => describeSimulated(result))
      }
      if (!context.isJson()) return
      const [only] = results
      context.answer(results.length === 1 ? only : { items: results, next: null }, () => '')
    })
}

async function simulateSeed(
  world: SimulatedWorld,
  seed: number,
  isStory: boolean,
  context: Context,
): Promise<SimulatedJson> {
  const { weeks, faults, scenario, isNaive } = world
  const isWatched = process.stderr.isTTY === true && !isStory
  const beganMs = systemClock.monotonicMs()
  const options = { weeks, seed, scenario, isNaive }
  const simulated = await simulate({
    ...options,
    faults,
    ...(isStory ? { told: storyteller(context) } : {}),
    ...(isWatched
      ? { progress: (share) => show(`seed ${seed}: ${Math.floor(share * 100)} %`) }
      : {}),
  })
  if (isWatched) show('')
  const wallMs = systemClock.monotonicMs() - beganMs
  // The same world in which no node goes down by itself: what the outages cost.
  const sound = world.hasNodeFaults
    ? await simulate({ ...options, faults: withoutNodeFaults(faults) })
    : null
  return simulatedJson(world, seed, simulated, sound?.servingAvailability ?? null, wallMs)
}

/** One line that is written over by the next. */
const show = (text: string): void => void process.stderr.write(`\r\u001b[K${text}`)

/** Tells events as they come; every run by the name that its first event gave. */
function storyteller(context: Context): (news: News, at: Date) => void {
  const names = new Map<string | undefined, string>()
  return ({ kind, runId, sessionId, data = {} }, at) => {
    if (typeof data.run === 'string') names.set(runId, data.run)
    const run = names.get(runId) ?? ''
    const time = at.toISOString().slice(0, 19).replace('T', ' ')
    const line = context.isJson()
      ? JSON.stringify({ at: at.toISOString(), kind, runId, sessionId, data })
      : `${time}  ${run.padEnd(8)}  ${sentence({ kind, data: { ...data } })}`
    process.stdout.write(`${line}\n`)
  }
}
