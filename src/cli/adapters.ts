import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { Adapter, AdapterLine, LineChange } from '../api/adapter-schemas.ts'
import { AppError } from '../lib/errors.ts'
import { publicationLines, publishCommands } from './adapters-publish.ts'
import type { Context } from './context.ts'
import { bytes } from './narrate.ts'
import { table } from './table.ts'
import { localZone, momentOf } from './wall-time.ts'

/** `rodizio adapters`: what runs have left, and which of them is served. */
export function adapterCommands(program: Command, context: Context): void {
  const adapters = program
    .command('adapters')
    .description('what runs have left: judged, promoted, rolled back')

  adapters
    .command('list')
    .description('adapters, newest first; * is what its line serves')
    .option('--line <name>', 'only those of a line')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio adapters list\n  rodizio adapters list --line house --json',
    )
    .action(async (flags: { line?: string }) => {
      const items = await context.client().adapters(flags.line)
      context.answer({ items, next: null }, () =>
        items.length === 0
          ? 'None yet: a run leaves one at its end (rodizio train start)'
          : table(
              ['', 'version', 'line', 'run', 'step', 'held-out loss', 'state', 'since'],
              items.map((one) => [
                one.served ? '*' : '',
                one.version,
                one.line,
                one.run,
                String(one.step),
                lossOf(one.loss),
                one.state,
                momentOf(new Date(one.decidedAt ?? one.createdAt), localZone()),
              ]),
            ),
      )
    })

  adapters
    .command('show <version>')
    .description('an adapter, what it was found worth, and why it was promoted or not')
    .addHelpText('after', '\nExample:\n  rodizio adapters show v3')
    .action(async (version: string) => {
      const found = await context.client().adapter(version)
      context.answer(found, () => [described(found), ...publicationLines(found)].join('\n'))
    })

  adapters
    .command('diff <version> <other>')
    .description('two adapters beside each other')
    .addHelpText('after', '\nExample:\n  rodizio adapters diff v2 v3')
    .action(async (version: string, other: string) => {
      const client = context.client()
      const [left, right] = [await client.adapter(version), await client.adapter(other)]
      context.answer({ left, right }, () =>
        table(
          ['', left.version, right.version],
          aspects.map(([name, of]) => [name, of(left), of(right)]),
        ),
      )
    })

  adapters
    .command('promote <version>')
    .description('its line serves it from now on')
    .option('--why <words>', 'kept with the decision')
    .addHelpText(
      'after',
      '\nExample:\n  rodizio adapters promote v3 --why "answers better in Portuguese"',
    )
    .action(async (version: string, { why }: { why?: string }) => {
      const client = context.client()
      const found = await client.promoteAdapter(version, said(why))
      const { publishTo } = await client.adapterLine(found.line)
      // Its session is long over: no other carries what the Hub lacks.
      const carried = publishTo?.startsWith('hub:')
        ? `\nIt is published to ${publishTo} by: rodizio adapters publish ${found.version}`
        : ''
      context.answer(found, () => `${found.line} serves ${found.version} now${carried}`)
    })

  adapters
    .command('reject <version>')
    .description('it is not promoted, and stays on record')
    .option('--why <words>', 'kept with the decision')
    .addHelpText('after', '\nExample:\n  rodizio adapters reject v3 --why "too short"')
    .action(async (version: string, { why }: { why?: string }) => {
      const found = await context.client().rejectAdapter(version, said(why))
      context.answer(found, () => `${found.version} is not promoted: ${found.why}`)
    })

  adapters
    .command('rollback [line]')
    .description('a line serves again what it served before; boxes follow')
    .option('--to <version>', 'that one; what was served before when left out')
    .option('--why <words>', 'kept with the decision')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio adapters rollback\n  rodizio adapters rollback house --to v2 --why "v3 repeats itself"',
    )
    .action(async (line: string | undefined, { to, why }: { to?: string; why?: string }) => {
      const client = context.client()
      const name = line ?? (await onlyLine(await client.adapters(undefined)))
      const done = await client.rollBackAdapter(name, { ...said(why), ...(to ? { to } : {}) })
      context.answer(done, () => `${done.line} serves ${done.to} again, in place of ${done.from}`)
    })

  adapters
    .command('line <name>')
    .description('how a line is decided, and what it has served')
    .option('--policy <policy>', 'auto: the judge decides; manual: a person does')
    .option('--publish <target>', 'what it promotes goes to hub:OWNER/NAME, drive or folder:/PATH')
    .option('--no-publish', 'what it promotes goes nowhere else')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio adapters line house\n  rodizio adapters line house --policy manual\n  rodizio adapters line house --publish hub:ana/house',
    )
    .action(async (name: string, flags: { policy?: string; publish?: string | boolean }) => {
      const { policy, publish } = flags
      if (policy !== undefined && policy !== 'auto' && policy !== 'manual') {
        throw new AppError('invalid', `--policy ${policy} is neither auto nor manual`)
      }
      const change: LineChange = {
        ...(policy ? { policy } : {}),
        ...(typeof publish === 'string' ? { publishTo: publish } : {}),
        ...(publish === false ? { publishTo: 'none' } : {}),
      }
      const client = context.client()
      const found =
        Object.keys(change).length > 0
          ? await client.changeAdapterLine(name, change)
          : await client.adapterLine(name)
      context.answer(found, () =>
        [
          howItGoes(found),
          ...found.moves.map(
            ({ at, kind, version, by }) =>
              `${momentOf(new Date(at), localZone())}  ${kind === 'promoted' ? 'promoted' : 'rolled back to'} ${version} (${by})`,
          ),
        ].join('\n'),
      )
    })

  publishCommands(adapters, context)
}

const howItGoes = ({ line, policy, served, publishTo }: AdapterLine): string =>
  [
    `${line}: ${policy === 'auto' ? 'the judge decides' : 'a person decides'}`,
    `it serves ${served ?? 'nothing yet'}`,
    ...(publishTo === null ? [] : [`what it promotes goes to ${publishTo}`]),
  ].join('; ')

const said = (why: string | undefined) => ({
  by: userInfo().username,
  ...(why === undefined ? {} : { why }),
})

function onlyLine(items: readonly Adapter[]): string {
  const lines = [...new Set(items.filter(({ served }) => served).map(({ line }) => line))]
  const [only] = lines
  if (only !== undefined && lines.length === 1) return only
  throw new AppError(
    'invalid',
    only === undefined
      ? 'no adapter has been promoted yet'
      : `several lines have a promoted adapter: ${lines.toSorted().join(', ')}`,
    { next: only === undefined ? 'rodizio adapters list' : `rodizio adapters rollback ${only}` },
  )
}

const lossOf = (loss: number | null): string => (loss === null ? '-' : loss.toFixed(4))

const aspects: readonly (readonly [string, (adapter: Adapter) => string])[] = [
  ['state', ({ state, served }) => (served ? `${state}, served` : state)],
  ['line', ({ line }) => line],
  ['run', ({ run }) => run],
  ['step', ({ step }) => String(step)],
  ['base', ({ base }) => base],
  ['size', ({ bytes: size }) => bytes(size)],
  ['held-out loss', ({ loss }) => lossOf(loss)],
  ['held-out rows', ({ heldOutRows }) => String(heldOutRows ?? '-')],
  ['of its base', ({ baseLoss }) => lossOf(baseLoss)],
  ['score', ({ score }) => lossOf(score)],
  ['decided by', ({ decidedBy }) => decidedBy ?? '-'],
  ['why', ({ why }) => why ?? '-'],
  ['manifest', ({ manifestSha256 }) => manifestSha256],
]

const described = (adapter: Adapter): string =>
  [
    adapter.version,
    ...aspects.map(([name, of]) => `  ${`${name}:`.padEnd(15)}${of(adapter)}`),
  ].join('\n')
