import type { Command } from 'commander'
import type { PolicyChange } from '../api/serving-schemas.ts'
import { AppError } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import type { Context } from './context.ts'
import {
  describeChanged,
  describePolicies,
  describePolicy,
  describePolicyRemoval,
} from './describe-policy.ts'
import { collect, wholeOf } from './flag-values.ts'
import { sentence, wallTime } from './narrate.ts'
import { serveAddCommand } from './serve-add.ts'
import { windowsOf } from './serving-flags.ts'
import { localZone } from './wall-time.ts'

interface ChangeFlags {
  readonly adapter?: string
  readonly windows?: string[]
  readonly zone?: string
  readonly priority?: string
  readonly newKey?: boolean
}

/** `rodizio serve …`: policies that keep a node up. */
export function serveCommands(program: Command, context: Context): void {
  const serve = program
    .command('serve')
    .description('serving policies: when a node is wanted that serves an adapter')

  serveAddCommand(serve, context)

  serve
    .command('list')
    .description('all serving policies, newest first')
    .addHelpText('after', '\nExample:\n  rodizio serve list --json')
    .action(async () => {
      const items = await context.client().policies()
      context.answer({ items, next: null }, () => describePolicies(items))
    })

  serve
    .command('show <name>')
    .description(
      'a policy: its sessions, which hours of the next 7 days are covered, which not and why',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio serve show house\n  rodizio serve show house --json',
    )
    .action(async (name: string) => {
      const policy = await context.client().policy(name)
      context.answer(policy, () => describePolicy(policy, localZone()))
    })

  changeCommand(serve, context)

  serve
    .command('stop <name>')
    .description('stop a policy: its sessions end the answers under way, and end')
    .addHelpText('after', '\nExample:\n  rodizio serve stop house')
    .action(async (name: string) => {
      const answer = await context.client().stopPolicy(name)
      context.answer(answer, () => `Serving policy ${answer.policy}: ${answer.message}.`)
    })

  serve
    .command('rm <name>')
    .description('remove a policy that is stopped; its adapter stays')
    .option('--dry-run', 'say what would go, and remove nothing')
    .addHelpText(
      'after',
      '\nNot while it is open or has a live session. The hours that it took stay in the books.\n\nExamples:\n  rodizio serve rm house --dry-run\n  rodizio serve rm house',
    )
    .action(async (name: string, flags: { dryRun?: boolean }) => {
      const removal = await context.client().removePolicy(name, flags.dryRun === true)
      context.answer(removal, () => describePolicyRemoval(removal))
    })

  serve
    .command('logs <name>')
    .description('what happened to a policy, in order')
    .addHelpText('after', '\nExample:\n  rodizio serve logs house')
    .action(async (name: string) => {
      const items = await context.client().policyEvents(name, 0)
      const lines = () => items.map((event) => `${wallTime(event.at)}  ${sentence(event)}`)
      context.answer({ items, next: null }, () => lines().join('\n'))
    })
}

function changeCommand(serve: Command, context: Context): void {
  serve
    .command('change <name>')
    .description(
      'give an open policy another adapter, other windows, another priority or a new key',
    )
    .option('--adapter <run>', 'a completed run (name or id), or the SHA-256 of its manifest')
    .option(
      '--windows <when>',
      'always, or a weekly window; repeatable, in place of all before',
      collect,
    )
    .option('--zone <zone>', "the windows' time zone; this machine's when left out")
    .option('--priority <n>', 'from -100 to 100: greater is sooner, also before training')
    .option('--new-key', 'make another bearer key, which is shown once')
    .addHelpText(
      'after',
      '\nSessions that have begun go on with what they have until they end; the next one is another.\n\nExamples:\n  rodizio serve change house --adapter support-2\n  rodizio serve change house --windows "mon-fri 08:00-20:00" --zone Europe/Lisbon --priority 10',
    )
    .action(async (name: string, flags: ChangeFlags) => {
      const windows = windowsOf(flags.windows, flags.zone)
      const priority = wholeOf('--priority', flags.priority, [-100, 100])
      const key = flags.newKey ? newSecret('rzk', 256) : undefined
      const change: PolicyChange = {
        ...(key === undefined ? {} : { keySha256: sha256Hex(key) }),
        ...(flags.adapter === undefined ? {} : { adapter: flags.adapter }),
        ...(windows === undefined ? {} : { windows }),
        ...(priority === undefined ? {} : { priority }),
      }
      if (Object.keys(change).length === 0) {
        throw new AppError('invalid', 'serve change: nothing is to be changed', {
          next: 'Give --adapter, --windows, --priority or --new-key',
        })
      }
      const policy = await context.client().changePolicy(name, change)
      context.answer(key === undefined ? policy : { ...policy, key }, () =>
        [
          describeChanged(policy, localZone()),
          ...(key === undefined ? [] : ['', `The key to its next nodes, shown this once: ${key}`]),
        ].join('\n'),
      )
    })
}
