import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import type { NewPolicy } from '../api/serving-schemas.ts'
import { AppError } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import { Reach } from '../notebooks/serve-plan.ts'
import { tunnelRule } from '../notebooks/serving-rules.ts'
import { askToAccept } from './ask-to-accept.ts'
import type { Context } from './context.ts'
import { describeAdded } from './describe-policy.ts'
import { collect, durationOf, wholeOf } from './flag-values.ts'
import { windowsOf } from './serving-flags.ts'
import { localZone } from './wall-time.ts'

interface AddFlags {
  readonly adapter: string
  readonly windows?: string[]
  readonly zone?: string
  readonly priority?: string
  readonly overlap?: string
  readonly maxTokens?: string
  readonly reach?: string
  readonly tunnel?: string
  readonly sessionMax?: string
  readonly acceptRules?: boolean
  readonly dryRun?: boolean
}

/** `rodizio serve add`: a policy, and the key to its nodes, shown once. */
export function serveAddCommand(serve: Command, context: Context): void {
  serve
    .command('add <name>')
    .description(
      'keep a node up that serves an adapter; its bearer key is shown once, and stands nowhere else',
    )
    .requiredOption(
      '--adapter <run>',
      'a completed run (name or id), or the SHA-256 of its adapter’s manifest',
    )
    .option(
      '--windows <when>',
      'always (the default), or a weekly window such as "mon-fri 09:00-18:00"; repeatable',
      collect,
    )
    .option('--zone <zone>', "the windows' time zone; this machine's when left out")
    .option(
      '--priority <n>',
      'from -100 to 100, default 0: greater is sooner, also before training',
    )
    .option('--overlap <duration>', 'a successor begins so long before, from 1m to 2h, default 15m')
    .option('--max-tokens <n>', 'the most that an answer may have, default 1024')
    .option(
      '--reach <way>',
      'relay: through this service; tunnel: each node opens an address on the open net; local: on its own machine alone. By relay elsewhere and local on this machine when left out',
    )
    .option('--tunnel <program>', 'cloudflared: the same as --reach tunnel')
    .option('--accept-rules', 'accept the rule of the tunnel, which this command prints')
    .option(
      '--session-max <duration>',
      "longest session, such as 8h; the account's own limit when left out",
    )
    .option('--dry-run', 'check everything, tell what the plan would make of it, add nothing')
    .addHelpText(
      'after',
      '\nA node runs on accounts for which the rule of serving is accepted (rodizio accounts accept), and on this machine.\nA window that ends before it begins goes on until the next day: "daily 22:00-06:00".\n\nExamples:\n  rodizio serve add house --adapter support\n  rodizio serve add office --adapter support --windows "mon-fri 09:00-18:00" --windows "sat 10:00-14:00" --zone Europe/Lisbon\n  rodizio serve add office --adapter support --windows "mon-fri 09:00-18:00" --session-max 8h --dry-run\n  rodizio serve add open --adapter support --reach tunnel --accept-rules',
    )
    .action(async (name: string, flags: AddFlags) => {
      const isDry = flags.dryRun === true
      const wanted = wantedPolicy(name, flags)
      if (wanted.reach === 'tunnel' && !isDry) await acceptTunnel(flags, context)
      const key = newSecret('rzk', 256)
      const asked = {
        ...wanted,
        acceptTunnel: wanted.reach === 'tunnel' && !isDry,
        keySha256: sha256Hex(key),
        dryRun: isDry,
      }
      const policy = await context.client().addPolicy(asked, isDry ? undefined : randomUUID())
      context.answer(isDry ? policy : { ...policy, key }, () =>
        [
          describeAdded(policy, isDry, localZone()),
          ...(isDry ? [] : ['', `The key to its nodes, shown this once: ${key}`]),
        ].join('\n'),
      )
    })
}

/** What the flags ask for. @throws AppError `invalid` that names a flag */
function wantedPolicy(name: string, flags: AddFlags): Omit<NewPolicy, 'keySha256'> {
  const windows = windowsOf(flags.windows, flags.zone)
  const reach = reachOf(flags)
  const priority = wholeOf('--priority', flags.priority, [-100, 100])
  const maxTokens = wholeOf('--max-tokens', flags.maxTokens, [16, 8192])
  const overlapSeconds = within('--overlap', flags.overlap, [60, 7200], 'from 1m to 2h')
  const sessionSeconds = within('--session-max', flags.sessionMax, [3600, 86_400], 'from 1h to 24h')
  return {
    name,
    adapter: flags.adapter,
    ...(reach === undefined ? {} : { reach }),
    ...(windows === undefined ? {} : { windows }),
    ...(priority === undefined ? {} : { priority }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(overlapSeconds === undefined ? {} : { overlapSeconds }),
    ...(sessionSeconds === undefined ? {} : { sessionSeconds }),
  }
}

/** Whole seconds of a duration within bounds. @throws AppError `invalid` that names the flag and them */
function within(
  flag: string,
  value: string | undefined,
  [least, most]: readonly [number, number],
  bounds: string,
): number | undefined {
  const found = durationOf(flag, value)
  if (found === undefined || (found >= least && found <= most)) return found && Math.round(found)
  throw new AppError('invalid', `${flag}: ${value} is not ${bounds}`, {
    next: `For example: ${flag} ${flag === '--overlap' ? '15m' : '8h'}`,
  })
}

function reachOf({ reach, tunnel }: AddFlags): Reach | undefined {
  if (tunnel !== undefined && tunnel !== 'cloudflared') {
    throw new AppError('invalid', `--tunnel: there is no tunnel ${JSON.stringify(tunnel)}`, {
      next: 'There is: --tunnel cloudflared',
    })
  }
  if (reach === undefined) return tunnel && 'tunnel'
  const given = Reach.safeParse(reach)
  if (!given.success) {
    throw new AppError('invalid', `--reach: there is no way ${JSON.stringify(reach)}`, {
      next: `There are: ${Reach.options.join(', ')}`,
    })
  }
  if (tunnel !== undefined && given.data !== 'tunnel') {
    throw new AppError(
      'invalid',
      `--tunnel: a node is not reached by ${given.data} and by a tunnel`,
      {
        next: 'Give --reach alone',
      },
    )
  }
  return given.data
}

async function acceptTunnel(flags: AddFlags, context: Context): Promise<void> {
  context.say(tunnelRule)
  if (flags.acceptRules || (await askToAccept(context))) return
  throw new AppError('not-allowed', 'the rule of the tunnel has not been accepted', {
    code: 'rules_not_accepted',
    next: `${tunnelRule} Accept it with --accept-rules`,
  })
}
