import type { Alert } from '../alerts/alert.ts'
import { type Digest, digestAlert, hasNews } from '../alerts/digest.ts'
import { dayWallMs, lastAtMinute } from '../alerts/quiet-hours.ts'
import { secondsBetween } from '../lib/clock.ts'
import type { Account } from '../rotation/account.ts'
import { type Week, weekOf } from '../rotation/week.ts'

/** An account's week as its books have it. */
export interface WeekOfAccount {
  readonly account: Account
  readonly week: Week
  readonly plannableSeconds: number
  readonly usedSeconds: number
}

/** What a store has room for, by its name. */
export interface Room {
  readonly store: string
  readonly freeBytes: number
  readonly totalBytes: number
}

export interface AlertWatchPorts {
  readonly weeks: () => Promise<readonly WeekOfAccount[]>
  readonly rooms: () => Promise<readonly Room[]>
  readonly digestSince: (since: Date, until: Date) => Promise<Digest>
  /** Whether this service was at work before that moment. */
  readonly wasThere: (before: Date) => Promise<boolean>
  readonly isKnown: (alertId: string) => Promise<boolean>
  /** One that stands already stays as it is. */
  readonly tell: (alert: Alert) => Promise<void>
  readonly digest: { readonly minute: number; readonly zone: string } | null
  readonly now: () => Date
}

const lowPercent = 80
const nearlyFull = 0.9
/** A digest that could not be made in its hour comes later, and one that is older than this not at all. */
const digestSeconds = 6 * 3600

/**
 * Looks at what no event tells of: weeks that are nearly or wholly spent and those that begin anew, stores that fill up, the digest of
 * the day. Each is told once, by an id made from its week or day, however often it is looked at.
 */
export function alertWatch(ports: AlertWatchPorts) {
  const { now } = ports
  const tell = async (alert: Alert): Promise<void> => {
    if (!(await ports.isKnown(alert.id))) await ports.tell(alert)
  }

  async function lookAtWeeks(): Promise<void> {
    for (const { account, week, plannableSeconds, usedSeconds } of await ports.weeks()) {
      if (plannableSeconds <= 0 || account.emulated) continue
      const at = now()
      const share = usedSeconds / plannableSeconds
      const idIn = (kind: string, start: Date) =>
        `${kind}_${account.name}_${start.toISOString().slice(0, 10)}`
      const make = (kind: Alert['kind']): Alert => ({
        id: idIn(kind, week.start),
        kind,
        about: account.name,
        at,
        dueAt: at,
        thread: `week ${account.name} ${week.start.toISOString().slice(0, 10)}`,
        facts: {
          percent: Math.floor(share * 100),
          leftHours: Math.max(0, plannableSeconds - usedSeconds) / 3600,
          weeklyHours: plannableSeconds / 3600,
          resetsAt: week.end.toISOString(),
        },
      })
      // Less than a quarter of an hour is worth no session.
      const isSpent = plannableSeconds - usedSeconds < 900
      if (isSpent) await tell(make('budget-spent'))
      else if (share * 100 >= lowPercent) await tell(make('budget-low'))
      const lastWeek = weekOf(account.reset, new Date(week.start.getTime() - 1))
      const isNew = secondsBetween(week.start, at) < 86_400
      const wasSpent = isNew && (await ports.isKnown(idIn('budget-spent', lastWeek.start)))
      if (wasSpent) await tell(make('budget-reset'))
    }
  }

  async function lookAtRooms(): Promise<void> {
    for (const { store, freeBytes, totalBytes } of await ports.rooms()) {
      if (totalBytes <= 0 || 1 - freeBytes / totalBytes < nearlyFull) continue
      const at = now()
      await tell({
        id: `store-nearly-full_${at.toISOString().slice(0, 10)}`,
        kind: 'store-nearly-full',
        about: store,
        at,
        dueAt: at,
        thread: `room ${store}`,
        facts: { freeBytes, freePercent: (100 * freeBytes) / totalBytes },
      })
    }
  }

  async function lookAtDay(): Promise<void> {
    if (!ports.digest) return
    const { minute, zone } = ports.digest
    const at = now()
    const due = lastAtMinute(zone, minute, at)
    if (secondsBetween(due, at) > digestSeconds) return
    const day = new Date(dayWallMs(zone, due)).toISOString().slice(0, 10)
    if ((await ports.isKnown(`digest_${day}`)) || !(await ports.wasThere(due))) return
    const since = lastAtMinute(zone, minute, new Date(due.getTime() - 1))
    const digest = await ports.digestSince(since, due)
    if (hasNews(digest)) await tell(digestAlert(digest, day, at))
  }

  return {
    async look(): Promise<void> {
      await lookAtWeeks()
      await lookAtRooms()
      await lookAtDay()
    },
  }
}

export type AlertWatch = ReturnType<typeof alertWatch>
