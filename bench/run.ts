import { check, type Figures, type Limit } from './promises.ts'

interface Bench {
  /** @param isShort less time where the bench knows how, with fewer figures */
  readonly measure: (isShort: boolean) => Promise<Figures>
  readonly promises: readonly Limit[]
}

/** Loaded one at a time, so that one bench does not weigh on another. */
const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  backup: () => import('./backup.ts'),
  checkpoints: () => import('./checkpoints.ts'),
  footprint: () => import('./footprint.ts'),
  import: () => import('./import.ts'),
  probes: () => import('./probes.ts'),
  pull: () => import('./pull.ts'),
  simulate: () => import('./simulate.ts'),
}

const args = process.argv.slice(2)
const flags = new Set(args.filter((arg) => arg.startsWith('--')))
const wanted = args.filter((arg) => !arg.startsWith('--'))
const names = wanted.length > 0 ? wanted : Object.keys(benches)
const unknown = names.filter((name) => !(name in benches))
if (unknown.length > 0 || flags.has('--help')) {
  process.stderr.write(
    `npm run bench -- [NAME…] [--json] [--short] [--check | --check-memory]\n  benches: ${Object.keys(benches).join(', ')}\n  --check fails when a promised figure is not met, --check-memory only when it is one of memory\n  --short: probes take 20 minutes instead of 45, pull one round instead of three\n`,
  )
  process.exit(unknown.length > 0 ? 2 : 0)
}
for (const name of names) {
  const bench = await benches[name]?.()
  if (!bench) continue
  const figures = await bench.measure(flags.has('--short'))
  if (flags.has('--json')) process.stdout.write(`${JSON.stringify({ name, figures })}\n`)
  else process.stdout.write(`${name}\n${lines(figures)}\n`)
  const checked = flags.has('--check-memory')
    ? bench.promises.filter((promise) => promise.of === 'memory')
    : bench.promises
  const broken = check(figures, checked)
  for (const text of broken) process.stderr.write(`${name}: ${text}\n`)
  if (broken.length > 0 && (flags.has('--check') || flags.has('--check-memory')))
    process.exitCode = 1
}

function lines(figures: Figures): string {
  return Object.entries(figures)
    .map(([key, value]) => `  ${key.padEnd(26)} ${value === null ? 'not measured here' : value}`)
    .join('\n')
}
