import type { AccountRemoval, DatasetRemoval, RunRemoval } from '../api/schemas.ts'
import { bytes } from './narrate.ts'

export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'}`

/** How far a removal has come, as the beginning of what goes. */
function begun(what: string, { state, why }: Pick<RunRemoval, 'state' | 'why'>): string[] {
  if (state === 'kept') return [`Nothing was removed. With ${what} would go:`]
  if (state === 'removed') return [`Removed ${what}:`]
  const because = why === null ? 'its files are many' : why
  return [
    `${what} is being removed, which goes on by itself: ${because}`.replace(/^./, (first) =>
      first.toUpperCase(),
    ),
    'With it go:',
  ]
}

/** What `train rm` answers. */
export function describeRunRemoval(removal: RunRemoval): string {
  const { checkpoints, artifact } = removal
  const lines = [
    ...begun(`run ${removal.run}`, removal),
    `  ${counted(removal.sessions, 'session')}, ${counted(removal.events, 'event')}`,
    `  ${counted(checkpoints.count, 'checkpoint')}, ${bytes(checkpoints.bytes)}`,
  ]
  if (artifact) lines.push(`  its artifact "${artifact.label}", ${bytes(artifact.bytes)}`)
  if (removal.ledgerRows > 0) {
    lines.push('  The hours that it took stay in the books: they were spent.')
  }
  return lines.join('\n')
}

/** What `data rm` answers. */
export function describeDataRemoval(removal: DatasetRemoval): string {
  const names = removal.names.join(', ')
  const lines = begun(`data set ${names}`, removal)
  for (const { version, rows, bytes: size, keptAs } of removal.versions) {
    lines.push(
      keptAs.length === 0
        ? `  ${version}: ${counted(rows, 'conversation')}, ${bytes(size)}`
        : `  ${version}: the name alone; its content stays as ${keptAs.join(', ')}`,
    )
  }
  return lines.join('\n')
}

/** What `accounts rm` answers. */
export function describeAccountRemoval(removal: AccountRemoval): string {
  const { account, owner, provider, credentials, sessions, state } = removal
  const lines = [
    ...begun(`account ${account} (${provider}, lent by ${owner})`, { state, why: null }),
    credentials ? '  its stored credentials' : '  it has no stored credentials',
  ]
  if (sessions > 0) {
    lines.push(
      `  Its ${counted(sessions, 'session')} and their hours stay readable under its name.`,
    )
  }
  return lines.join('\n')
}
