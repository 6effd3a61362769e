import type { Alert } from '../alerts/alert.ts'
import { secondsBetween } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { BackupManifest } from '../safekeeping/backup-manifest.ts'
import type { BackupPlace } from '../safekeeping/backup-place.ts'
import { type BackupRetention, removableBackups } from '../safekeeping/backup-retention.ts'

export interface BackupAttempt {
  readonly kind: 'backup' | 'drill'
  readonly place: string
  readonly name: string | null
  readonly beganAt: Date
  readonly endedAt: Date | null
  readonly outcome: 'done' | 'failed' | null
  readonly why: string | null
  readonly bytes: number | null
}

type Kind = BackupAttempt['kind']

export interface BackupRows {
  /** Which data folder this is; a restored one is the same. */
  installation(): Promise<string>
  begin(kind: Kind, place: string): Promise<string>
  done(id: string, name: string, bytes: number): Promise<void>
  failed(id: string, why: string): Promise<void>
  /** Attempts whose process is gone have failed. */
  diedMeanwhile(): Promise<void>
  newest(kind: Kind, limit: number): Promise<readonly BackupAttempt[]>
  lastDone(kind: Kind, before?: Date): Promise<BackupAttempt | undefined>
}

export interface BackupSchedule {
  /** Minute of the day, UTC; null for no daily backup. */
  readonly minute: number | null
  /** So much later, so that not everybody's are at the same time. */
  readonly jitterSeconds: number
  readonly withAdapters: boolean
  readonly drills: boolean
  readonly retention: BackupRetention
}

export interface BackupPorts {
  readonly rows: BackupRows
  /** @throws AppError `invalid` for a place that there is not */
  readonly placeOf: (to: string | undefined) => BackupPlace
  readonly make: (place: BackupPlace, withAdapters: boolean) => Promise<BackupManifest>
  /** What a manifest says, unproven. */
  readonly peek: (place: BackupPlace, name: string) => Promise<BackupManifest>
  /** Restores it into a scratch folder and looks through it. @throws AppError where it is not whole */
  readonly drill: (place: BackupPlace, name: string) => Promise<void>
  /** Brings a backup from elsewhere into this data folder's own place, and gives the path of its folder. */
  readonly bringHere: (place: BackupPlace, name: string) => Promise<string>
  readonly schedule: BackupSchedule
  /** Whether this service was at work before that moment. */
  readonly wasThere: (before: Date) => Promise<boolean>
  readonly isKnown: (alertId: string) => Promise<boolean>
  readonly tell: (alert: Alert) => Promise<void>
  readonly trouble: (error: unknown) => void
  readonly now: () => Date
}

export interface ListedBackup {
  readonly name: string
  readonly madeAt: Date
  readonly bytes: number
  readonly isEncrypted: boolean
  readonly withAdapters: boolean
  readonly version: string
  readonly schema: number
  readonly isOwn: boolean
}

export const backupLateSeconds = 26 * 3600
export const drillLateSeconds = 8 * 86_400
const drillEverySeconds = 7 * 86_400
/** What failed is tried again after so long. */
const retrySeconds = 3600

export const bytesOf = ({ files }: BackupManifest): number =>
  files.reduce((sum, { bytes }) => sum + bytes, 0)

/** Backups as people and the clock ask for them: one at a time, each attempt on record, what goes wrong told once. */
export function backupDesk(ports: BackupPorts) {
  const { rows, schedule, now } = ports
  let isBusy = false

  async function alone<T>(work: () => Promise<T>): Promise<T> {
    if (isBusy) {
      throw new AppError('conflict', 'another backup or drill is under way', {
        code: 'backup_running',
        next: 'Wait for it: rodizio backup list shows it when it is done',
      })
    }
    isBusy = true
    try {
      return await work()
    } finally {
      isBusy = false
    }
  }

  async function noted<T>(
    kind: Kind,
    place: string,
    work: () => Promise<{ name: string; bytes: number; result: T }>,
  ): Promise<T> {
    const id = await rows.begin(kind, place)
    try {
      const { name, bytes, result } = await work()
      await rows.done(id, name, bytes)
      return result
    } catch (error) {
      await rows.failed(id, messageOf(error))
      throw error
    }
  }

  /** As a person names it; as it was asked for where it leads nowhere. */
  function shown(from: string | undefined): string {
    try {
      return ports.placeOf(from).shown
    } catch (error) {
      if (error instanceof AppError) return from ?? 'nowhere'
      throw error
    }
  }

  const create = (to: string | undefined, withAdapters: boolean) =>
    alone(async () => {
      if (to !== undefined) ports.placeOf(to) // a slip of who asks is no failed backup; one in the settings is
      await rows.installation()
      return noted('backup', shown(to), async () => {
        const place = ports.placeOf(to)
        const manifest = await ports.make(place, withAdapters)
        return { name: manifest.name, bytes: bytesOf(manifest), result: { manifest, place } }
      })
    })

  const drillNewest = () =>
    alone(async () => {
      return noted('drill', shown(undefined), async () => {
        const place = ports.placeOf(undefined)
        const [name] = await place.names()
        if (name === undefined)
          throw new AppError('not-found', `there is no backup at ${place.shown}`, {
            code: 'backup_unknown',
            next: 'Make one: rodizio backup create',
          })
        await ports.drill(place, name)
        return { name, bytes: 0, result: name }
      })
    })

  async function list(from: string | undefined): Promise<readonly ListedBackup[]> {
    const place = ports.placeOf(from)
    const own = await rows.installation()
    const listed: ListedBackup[] = []
    for (const name of await place.names()) {
      const manifest = await ports.peek(place, name).catch(unlessUnreadable)
      if (manifest) listed.push(listedAs(manifest, own))
    }
    return listed
  }

  /** Lets older ones of this data folder go; those of others at the same place are nobody's business here. */
  async function prune(): Promise<void> {
    const place = ports.placeOf(undefined)
    const proven = await rows.lastDone('drill')
    const own = (await list(undefined)).filter(({ isOwn }) => isOwn)
    for (const { name } of removableBackups(own, schedule.retention, proven?.name ?? null, now()))
      await place.remove(name)
  }

  /** Whether `kind` is to be tried: due, and not failed just now. */
  async function isTime(kind: Kind, due: (last: Date | null) => Promise<boolean>) {
    const last = await rows.lastDone(kind)
    if (!(await due(last?.beganAt ?? null))) return false
    const [newest] = await rows.newest(kind, 1)
    return newest?.outcome !== 'failed' || secondsBetween(newest.beganAt, now()) >= retrySeconds
  }

  async function lookAtBackup(minute: number): Promise<void> {
    const isDue = async (last: Date | null) => {
      const due = lastDue(minute, schedule.jitterSeconds, now())
      return last === null ? ports.wasThere(due) : last < due
    }
    if (await isTime('backup', isDue)) {
      await create(undefined, schedule.withAdapters).then(prune, ports.trouble)
    }
    await watch('backup', backupLateSeconds)
  }

  async function lookAtDrill(): Promise<void> {
    const first = await rows.lastDone('backup')
    if (!first) return
    const isDue = async (last: Date | null) =>
      last === null || secondsBetween(last, now()) >= drillEverySeconds
    if (await isTime('drill', isDue)) await drillNewest().catch(ports.trouble)
    await watch('drill', drillLateSeconds)
  }

  /** Tells what went wrong since the last good one, each once, and that it is good again. */
  async function watch(kind: Kind, lateSeconds: number): Promise<void> {
    const last = await rows.lastDone(kind)
    const streak = streakOf(last)
    const [newest] = await rows.newest(kind, 1)
    const ids = (since: string) => [`${kind}-failed_${since}`, `${kind}-late_${since}`] as const
    const [failedId, lateId] = ids(streak)
    const isFailing = newest?.outcome === 'failed' && (!last || newest.beganAt > last.beganAt)
    if (isFailing) await tellOnce(failedId, kind, { what: `${kind}-failed`, words: newest.why })
    const isLate = last
      ? secondsBetween(last.beganAt, now()) > lateSeconds
      : await ports.wasThere(new Date(now().getTime() - lateSeconds * 1000))
    if (isLate && (last !== undefined || kind === 'backup'))
      await tellOnce(lateId, kind, {
        what: `${kind}-late`,
        from: last?.beganAt.toISOString() ?? null,
      })
    if (!last) return
    const before = streakOf(await rows.lastDone(kind, last.beganAt))
    for (const id of ids(before)) {
      if (!(await ports.isKnown(id))) continue
      const facts = { what: `${kind}-good` }
      await tellOnce(`${kind}-good_${streak}`, kind, facts, 'backup-recovered')
    }
  }

  async function tellOnce(
    id: string,
    thread: string,
    facts: Alert['facts'],
    kind: Alert['kind'] = 'backup-failed',
  ): Promise<void> {
    if (await ports.isKnown(id)) return
    const at = now()
    await ports.tell({ id, kind, about: 'Rodízio', at, dueAt: at, thread: `safe ${thread}`, facts })
  }

  return {
    create: async (to: string | undefined, withAdapters: boolean) => {
      const { manifest, place } = await create(to, withAdapters)
      return { manifest, place: place.shown }
    },
    list,
    /** A backup of another place beside the service's own, where commands can read it. One that is there already stays. */
    bringHere: (name: string, from: string | undefined) =>
      alone(async () => ports.bringHere(ports.placeOf(from), name)),
    shown,
    /** The last good ones, and the last try where that failed. */
    async state() {
      const [lastBackup, lastDrill] = [await rows.lastDone('backup'), await rows.lastDone('drill')]
      const [newest] = await rows.newest('backup', 1)
      return {
        minute: schedule.minute,
        lastBackup: lastBackup ?? null,
        lastDrill: lastDrill ?? null,
        failure: newest?.outcome === 'failed' ? newest.why : null,
        isBusy,
      }
    },
    begin: rows.diedMeanwhile,
    /** One look at the clock: a backup when its time has come or was missed, a drill once a week, and what is to be told. */
    async look(): Promise<void> {
      if (isBusy) return
      if (schedule.minute === null) return
      await lookAtBackup(schedule.minute)
      if (schedule.drills) await lookAtDrill()
    },
  }
}

export type BackupDesk = ReturnType<typeof backupDesk>

export const listedAs = (manifest: BackupManifest, installation: string): ListedBackup => ({
  name: manifest.name,
  madeAt: new Date(manifest.madeAt),
  bytes: bytesOf(manifest),
  isEncrypted: manifest.encryption !== null,
  withAdapters: manifest.withAdapters,
  version: manifest.version,
  schema: manifest.schema,
  isOwn: manifest.installation === installation,
})

const streakOf = (last: BackupAttempt | undefined): string =>
  last ? last.beganAt.toISOString() : 'never'

/** The last moment at or before now at which a backup was due. Pure. */
export function lastDue(minute: number, jitterSeconds: number, now: Date): Date {
  const day = new Date(now)
  day.setUTCHours(0, minute, jitterSeconds, 0)
  return day <= now ? day : new Date(day.getTime() - 86_400_000)
}

/** One that cannot be read is no backup, and stays where it is. */
function unlessUnreadable(error: unknown): undefined {
  if (error instanceof AppError && (error.kind === 'invalid' || error.kind === 'not-found'))
    return undefined
  throw error
}
