import type { Session } from '../api/schemas.ts'
import type {
  AddedPolicy,
  Policy,
  PolicyRemoval,
  PolicySummary,
  ServingOutlook,
} from '../api/serving-schemas.ts'
import { windowWords } from '../rotation/serving-windows.ts'
import { counted } from './describe-removal.ts'
import { finishWords } from './finish-words.ts'
import { seconds } from './narrate.ts'
import { sessionTable } from './sessions.ts'
import { table } from './table.ts'
import { clockOf, dayOf, momentOf } from './wall-time.ts'

/** The adapter by its run and the first digits of its hash. */
const adapterOf = ({ adapter }: PolicySummary): string =>
  adapter.run === null
    ? adapter.sha256.slice(0, 12)
    : `${adapter.run} (${adapter.sha256.slice(0, 12)})`

/** What `serve list` answers. */
export const describePolicies = (policies: readonly PolicySummary[]): string =>
  policies.length === 0
    ? 'No serving policies yet. Add one with: rodizio serve add NAME --adapter RUN'
    : table(
        ['POLICY', 'STATE', 'ADAPTER', 'WANTED', 'LIVE', 'PRIORITY', 'WAITING'],
        policies.map((policy) => [
          policy.name,
          policy.state,
          adapterOf(policy),
          windowWords(policy.windows),
          String(policy.live),
          String(policy.priority),
          policy.waiting ?? '',
        ]),
      )

const reachWords = {
  usual: 'nodes elsewhere answer through this service, those on this machine there alone',
  relay: 'its nodes answer through this service',
  tunnel: 'each node opens a tunnel, with an address of its own',
  local: 'its nodes answer to their own machines alone',
} as const

/** What a policy is, whatever the plan makes of it. */
function itself(policy: PolicySummary): string[] {
  const longest =
    policy.sessionSeconds === null ? '' : `, sessions of at most ${seconds(policy.sessionSeconds)}`
  return [
    `  the adapter of ${adapterOf(policy)} on ${policy.base}${policy.quantization === 'nf4' ? ' in 4 bit (nf4)' : ''}`,
    `  wanted ${windowWords(policy.windows)}; priority ${policy.priority}`,
    `  successors begin ${seconds(policy.overlapSeconds)} before${longest}; answers of at most ${policy.maxTokens} tokens`,
    `  ${reachWords[policy.reach ?? 'usual']}`,
    ...(policy.address === null
      ? []
      : [`  the address through this service, for the key: ${policy.address}`]),
  ]
}

/** What `serve add` answers; the key is told by who has made it. */
export function describeAdded(policy: AddedPolicy, isDry: boolean, zone: string): string {
  const begins = isDry
    ? `Nothing was added. Serving policy ${policy.name} would be:`
    : `Serving policy ${policy.name} (${policy.id}) is added:`
  return [begins, ...itself(policy), '', ...outlookLines(policy, zone)].join('\n').trimEnd()
}

/** What `serve change` answers. */
export function describeChanged(policy: AddedPolicy, zone: string): string {
  const goOn =
    policy.live === 0
      ? []
      : [
          `  Its ${counted(policy.live, 'live session')} ${policy.live === 1 ? 'goes' : 'go'} on as begun; what comes after is as told here.`,
        ]
  return [
    `Serving policy ${policy.name} from now on:`,
    ...itself(policy),
    ...goOn,
    '',
    ...outlookLines(policy, zone),
  ]
    .join('\n')
    .trimEnd()
}

/** What `serve show` answers. */
export function describePolicy(policy: Policy, zone: string): string {
  const lines = [
    `Serving policy ${policy.name} (${policy.id}): ${policy.state}, ${policy.live === 0 ? 'no session is live' : counted(policy.live, 'live session')}`,
    ...itself(policy),
  ]
  if (policy.waiting) lines.push(`  waiting: ${policy.waiting}`)
  lines.push(...policy.recent.flatMap(({ account, node }) => nodeLine(account, node, zone)))
  if (policy.recent.length > 0) lines.push('', sessionTable(policy.recent))
  lines.push('', ...outlookLines(policy, zone))
  return lines.join('\n').trimEnd()
}

/** Where a node answers, and since when. */
const nodeLine = (account: string, node: Session['node'], zone: string): string[] =>
  node === null
    ? []
    : [
        `  a node is up on ${account} since ${momentOf(new Date(node.readyAt), zone)}${node.url === null ? '; it answers to its own machine alone' : `: ${node.url}`}${node.tunnel === 'down' ? '; its tunnel is down, by its own word' : ''}`,
      ]

/** What `serve rm` answers. */
export function describePolicyRemoval({
  policy,
  sessions,
  events,
  ...rest
}: PolicyRemoval): string {
  const { state, why, ledgerRows } = rest
  const what = `serving policy ${policy}`
  const begun =
    state === 'kept'
      ? `Nothing was removed. With ${what} would go:`
      : state === 'removed'
        ? `Removed ${what}:`
        : `${what.replace(/^s/, 'S')} is being removed, which goes on by itself${why === null ? '' : `: ${why}`}. With it go:`
  const hours =
    ledgerRows > 0 ? ['  The hours that it took stay in the books: they were spent.'] : []
  return [
    begun,
    `  ${counted(sessions, 'session')}, ${counted(events, 'event')}`,
    '  Its adapter stays where it is.',
    ...hours,
  ].join('\n')
}

const shownStretches = 14
/** More gaps than these for one reason are told as one. */
const shownAlike = 4

function outlookLines({ outlook }: Pick<AddedPolicy, 'outlook'>, zone: string): string[] {
  if (!outlook) return []
  return [...covered(outlook, zone), ...open(outlook, zone), ...training(outlook, zone)]
}

function covered({ wantedHours, servedHours, served }: ServingOutlook, zone: string): string[] {
  if (wantedHours === 0) return ['Its windows have no hour in the next 7 days.', '']
  const percent = Math.floor((servedHours / wantedHours) * 100)
  return [
    `Of ${wantedHours.toFixed(1)} wanted hours in the next 7 days a node is expected to be up for ${servedHours.toFixed(1)} (${percent} %):`,
    ...atMost(
      served.map(
        ({ from, to, account, live }) =>
          `  ${span(from, to, zone)}  ${account}${live ? '; under way' : ''}`,
      ),
    ),
    '',
  ]
}

function open({ gaps }: ServingOutlook, zone: string): string[] {
  if (gaps.length === 0) return []
  const byReason = Map.groupBy(gaps, ({ why }) => why.join('; '))
  const lines = [...byReason].flatMap(([why, alike]) =>
    alike.length <= shownAlike
      ? alike.map(({ from, to }) => `  ${span(from, to, zone)}  ${why}`)
      : [`  ${alike.length} times, ${length(alike)} in all  ${why}`],
  )
  return ['Wanted, and served by nobody:', ...atMost(lines), '']
}

const length = (spans: readonly { readonly from: string; readonly to: string }[]): string =>
  seconds(spans.reduce((sum, { from, to }) => sum + (Date.parse(to) - Date.parse(from)) / 1000, 0))

function training(
  { training: { without, with: rest, moved }, from }: ServingOutlook,
  zone: string,
) {
  if (without.hours === 0 && rest.hours === 0 && moved.length === 0) {
    return ['No training is planned in these days.']
  }
  const amount = ({ steps, hours }: typeof rest) => `some ${steps} steps in ${hours.toFixed(1)} h`
  const words = (finish: (typeof moved)[number]['with']) =>
    finish ? finishWords(finish, new Date(from), zone) : 'nothing of it is planned'
  return [
    `Training does ${amount(rest)} in these days; without this policy ${amount(without)}.`,
    ...moved.map(
      (run) => `  ${run.run}: ${words(run.with)}; without this policy: ${words(run.without)}`,
    ),
  ]
}

/** The first lines, and how many more there are. */
const atMost = (lines: readonly string[]): string[] =>
  lines.length <= shownStretches
    ? [...lines]
    : [
        ...lines.slice(0, shownStretches),
        `  and ${lines.length - shownStretches} more (--json has them all)`,
      ]

function span(from: string, to: string, zone: string): string {
  const [begin, end] = [new Date(from), new Date(to)]
  const until =
    dayOf(begin, zone) === dayOf(end, zone)
      ? clockOf(end, zone)
      : `${dayOf(end, zone)} ${clockOf(end, zone)}`
  return `${dayOf(begin, zone)} ${clockOf(begin, zone)} to ${until}`
}
