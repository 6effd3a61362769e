import type { Command } from 'commander'
import type { NewNode, NodeChange } from '../api/node-schemas.ts'
import { AppError } from '../lib/errors.ts'
import type { Context } from './context.ts'
import { type DeepFlags, deepFlags, deepOptions } from './deep-flags.ts'
import {
  describeNode,
  describeNodeDetails,
  describeNodes,
  describeProbed,
} from './describe-nodes.ts'
import { durationOf } from './flag-values.ts'
import { localZone } from './wall-time.ts'

interface NodeFlags extends DeepFlags {
  readonly url?: string
  readonly every?: string
  readonly tunnelAccount?: string
  readonly public?: boolean
  readonly anyAnswer?: boolean
  readonly dependsOn?: readonly string[] | false
}

const dependsOn = [
  '--depends-on <name>',
  'a node without which it is not reached: while that one is down, nobody is told of this one; repeatable',
] as const

const gathered = (name: string, before: readonly string[] | false | undefined): string[] => [
  ...(before || []),
  name,
]

/** `rodizio nodes …`: what is probed. */
export function nodeCommands(program: Command, context: Context): void {
  const nodes = program.command('nodes').description('nodes: served models that are probed')

  const add = nodes
    .command('add <name> <url>')
    .description('probe a node of your own; /health is asked for where the address names no path')
    .option('--every <time>', 'between two probes; 5m when left out')
    .option('--tunnel-account <name>', 'whose requests the probes take; by the host when left out')
    .option('--public', 'show it on the status page, with a badge, to everybody')
    .option('--any-answer', 'it is up when anything answers there: a router, a status page')
    .option(...dependsOn, gathered)
  deepOptions(add)
    .addHelpText(
      'after',
      '\nNodes of serving policies come and go by themselves. Private addresses are refused unless RODIZIO_ALLOW_PRIVATE names them.\n\nExamples:\n  rodizio nodes add house https://name.ngrok-free.app\n  rodizio nodes add router http://router.lan --any-answer --every 1m\n  rodizio nodes add lab http://gpu.lan:8000 --every 1m --depends-on router\n  rodizio nodes add lab http://gpu.lan:8000 --deep --deep-model qwen --deep-key-file key.txt',
    )
    .action(async (name: string, url: string, flags: NodeFlags) => {
      const deep = deepFlags(flags)
      const wanted: NewNode = {
        name,
        url,
        ...given(flags),
        ...(deep && deep !== 'none' ? { deep } : {}),
      }
      const node = await context.client().addNode(wanted)
      context.answer(node, () =>
        [`Node ${node.name} is added, and probed now:`, ...describeNode(node, localZone())].join(
          '\n',
        ),
      )
    })

  nodes
    .command('list')
    .description('all nodes, with what was seen last')
    .addHelpText('after', '\nExample:\n  rodizio nodes list --json')
    .action(async () => {
      const items = await context.client().nodes()
      context.answer({ items, next: null }, () => describeNodes(items, localZone()))
    })

  nodes
    .command('show <name>')
    .description('a node: its uptime, newest probes and newest incidents')
    .addHelpText('after', '\nExample:\n  rodizio nodes show house')
    .action(async (name: string) => {
      const node = await context.client().node(name)
      context.answer(node, () => describeNodeDetails(node, localZone()))
    })

  const change = nodes
    .command('change <name>')
    .description('give a node another address or interval, or show it to everybody')
    .option('--url <url>', 'where it is from now on')
    .option('--every <time>', 'between two probes')
    .option('--tunnel-account <name>', 'whose requests the probes take')
    .option('--public', 'show it on the status page, with a badge, to everybody')
    .option('--no-public', 'show it there no longer')
    .option(...dependsOn, gathered)
    .option('--any-answer', 'it is up when anything answers there')
    .option('--no-any-answer', 'it is up when it says what a node says at /health')
    .option('--no-depends-on', 'it depends on nothing any more')
  deepOptions(change)
    .option('--no-deep', 'ask it for tokens no longer, and forget its key')
    .option('--no-deep-key', 'ask it without a key, and forget the one that is stored')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio nodes change house --url https://other.ngrok-free.app\n  rodizio nodes change house --public\n  rodizio nodes change lab --depends-on router --depends-on tunnel\n  rodizio nodes change house --deep --deep-every 6h\n  rodizio nodes change house --no-deep',
    )
    .action(async (name: string, flags: NodeFlags) => {
      const deep = deepFlags(flags)
      const change: NodeChange = {
        ...given(flags),
        ...(deep === undefined ? {} : { deep }),
        ...(flags.url === undefined ? {} : { url: flags.url }),
      }
      if (Object.keys(change).length === 0) {
        throw new AppError('invalid', 'nodes change: nothing is to be changed', {
          next: 'Give --url, --every, --tunnel-account, --public, --any-answer, --depends-on or --deep',
        })
      }
      const node = await context.client().changeNode(name, change)
      context.answer(node, () => describeNode(node, localZone()).join('\n'))
    })

  nodes
    .command('probe <name>')
    .description('probe a node now, and say what was seen')
    .addHelpText(
      'after',
      '\nThe probe stands in no record and opens no incident. The exit status is 1 when the node is not up.\n\nExample:\n  rodizio nodes probe house',
    )
    .action(async (name: string) => {
      const probed = await context.client().probeNode(name)
      context.answer(probed, () => describeProbed(probed))
      if (!probed.isUp) process.exitCode = 1
    })

  nodes
    .command('rm <name>')
    .description('probe a node of your own no longer; its record stays')
    .addHelpText('after', '\nExample:\n  rodizio nodes rm house')
    .action(async (name: string) => {
      const node = await context.client().removeNode(name)
      context.answer(node, () => `Node ${node.name} is probed no longer.`)
    })
}

function given(flags: NodeFlags): Omit<NodeChange, 'url' | 'deep'> {
  const every = durationOf('--every', flags.every)
  return {
    ...(every === undefined ? {} : { intervalSeconds: every }),
    ...(flags.tunnelAccount === undefined ? {} : { tunnelAccount: flags.tunnelAccount }),
    ...(flags.public === undefined ? {} : { isPublic: flags.public }),
    ...(flags.anyAnswer === undefined ? {} : { anyAnswer: flags.anyAnswer }),
    ...(flags.dependsOn === undefined ? {} : { dependsOn: [...(flags.dependsOn || [])] }),
  }
}
