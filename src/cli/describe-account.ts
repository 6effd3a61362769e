import type { Account, AccountDetails, Budget } from '../api/schemas.ts'
import { systemClock } from '../lib/clock.ts'
import { sessionTable } from './sessions.ts'
import { bar, table } from './table.ts'

export const hours = (value: number): string => `${value.toFixed(Math.abs(value) < 10 ? 2 : 1)} h`

/** A time of the API as `2026-12-24 18:00`, in UTC. */
export const minute = (at: string): string => at.slice(0, 16).replace('T', ' ')

const waking = ({ wakingFrom, wakingTo }: Account): string => `${wakingFrom}–${wakingTo} h`

const standing = (account: Account): string => {
  if (account.removedAt) return `removed ${minute(account.removedAt)}`
  const isHeld = account.holdUntil !== null && new Date(account.holdUntil) > systemClock.now()
  return account.holdUntil && isHeld
    ? `until ${minute(account.holdUntil)}: ${account.holdReason}`
    : ''
}

/** Whether it may serve, and by whose word. */
function serving({ name, serves, servingAcceptedAt, servingAcceptedBy }: Account): string {
  if (!serves) return `serves nothing: rodizio accounts accept ${name} --serving`
  return servingAcceptedAt === null
    ? 'may serve'
    : `may serve, accepted by ${servingAcceptedBy} on ${servingAcceptedAt.slice(0, 10)}`
}

/** What `accounts list` answers. */
export function describeAccounts(accounts: readonly Account[]): string {
  if (accounts.length === 0) return 'No accounts yet. Add one with: rodizio accounts add'
  return table(
    [
      'ACCOUNT',
      'PROVIDER',
      'OWNER',
      'ZONE',
      'WAKING',
      'A WEEK',
      'LONGEST',
      'STARTED BY',
      'RULES',
      'SERVES',
      'ON HOLD',
    ],
    accounts.map((account) => [
      account.name,
      `${account.provider}${account.emulated ? ' (emulated)' : ''}`,
      account.owner,
      account.zone,
      waking(account),
      hours(account.weeklyHours),
      hours(account.maxSessionHours),
      account.automation === 'person' ? 'a person' : 'the service',
      account.rulesAcceptedAt ? `accepted ${account.rulesAcceptedAt.slice(0, 10)}` : 'not accepted',
      account.serves ? 'yes' : 'no',
      standing(account),
    ]),
  )
}

/** What `accounts show` answers. */
export function describeAccount(account: AccountDetails): string {
  const { budget } = account
  const lines = [
    `Account ${account.name}: ${account.provider}${account.emulated ? ', emulated' : ''}, known there as ${account.username}`,
    `  lent by ${account.owner}, ${account.zone}, to be asked ${waking(account)}`,
    `  ${hours(account.weeklyHours)} a week, ${hours(account.maxSessionHours)} a session, ${account.maxConcurrent} at once, started by ${account.automation === 'person' ? 'a person' : 'the service'}`,
    `  rules ${account.rulesAcceptedAt ? `accepted ${account.rulesAcceptedAt.slice(0, 10)}` : 'not accepted'}`,
  ]
  if (!account.removedAt) lines.push(`  ${serving(account)}`)
  const held = standing(account)
  if (held !== '') lines.push(`  ${account.removedAt ? held : `on hold ${held}`}`)
  for (const { id, from, to } of account.absences) {
    lines.push(`  away ${inZone(from, account.zone)} to ${inZone(to, account.zone)} (${id})`)
  }
  if (budget) lines.push('', describeBudgets([budget]))
  if (account.sessions.length > 0) lines.push('', sessionTable(account.sessions))
  return lines.join('\n')
}

/** What `budget` answers: our book beside the provider's, and which of the two binds. */
export const describeBudgets = (budgets: readonly Budget[]): string =>
  table(
    [
      'ACCOUNT',
      'PROVIDER',
      'USED',
      'RESERVED',
      'ADJUSTED',
      'LEFT',
      'OF',
      '',
      'REFRESH',
      "PROVIDER'S BOOK",
      'LEFT THERE',
      'BINDS',
    ],
    budgets.map((b) => [
      b.account,
      `${b.provider}${b.emulated ? ' (emulated)' : ''}`,
      hours(b.usedHours),
      hours(b.reservedHours),
      b.adjustedHours === 0 ? '' : hours(b.adjustedHours),
      hours(b.leftHours),
      hours(b.plannableHours),
      bar(b.plannableHours - b.leftHours, b.plannableHours, 12),
      minute(b.refreshesAt),
      b.providerReading
        ? `${hours(b.providerReading.usedHours)} used, ${hours(b.providerReading.reservedHours)} reserved of ${hours(b.providerReading.allowedHours)}`
        : 'none',
      b.providerLeftHours === null ? '' : hours(b.providerLeftHours),
      b.binds === 'own' ? 'ours' : "the provider's",
    ]),
  )

/** An instant as the clocks of a zone show it, such as `2026-12-24 18:00`. */
export const inZone = (at: string, zone: string): string =>
  new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'short',
  }).format(new Date(at))
