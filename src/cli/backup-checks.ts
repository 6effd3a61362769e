import type { Backups } from '../api/backup-schemas.ts'
import { bad, type Check, good } from './check.ts'
import { seconds } from './narrate.ts'

const lateSeconds = 26 * 3600
const drillLateSeconds = 8 * 86_400

/** How long ago something was, as people say it. */
export function ago(at: string, now: Date): string {
  const passed = Math.max(0, (now.getTime() - Date.parse(at)) / 1000)
  return `${passed < 172_800 ? seconds(passed) : `${Math.floor(passed / 86_400)} days`} ago`
}

/** Whether there is a backup of the last day, and one that was restored on trial of late. Pure. */
export function backupChecks(found: Backups, startedAt: Date | null, now: Date): Check[] {
  const { dailyAt, lastBackup, lastDrill, failure, place } = found
  const age = (at: string) => (now.getTime() - Date.parse(at)) / 1000
  if (dailyAt === null) {
    const words = lastBackup ? `the last was made ${ago(lastBackup.at, now)}` : 'none was ever made'
    return [
      bad('backups', `${words}; none is made by itself`, 'Set RODIZIO_BACKUP_AT, such as 03:30'),
    ]
  }
  if (failure !== null) {
    const fix = 'Mend that, then: rodizio backup create'
    return [bad('backups', `the newest try failed: ${failure}`, fix)]
  }
  if (!lastBackup) {
    const isYoung = !startedAt || (now.getTime() - startedAt.getTime()) / 1000 < lateSeconds
    const words = `none yet; the first is made at ${dailyAt} UTC`
    return [
      isYoung ? good('backups', words) : bad('backups', words, 'Make one: rodizio backup create'),
    ]
  }
  const words = `the last was made ${ago(lastBackup.at, now)}, to ${place}`
  const made =
    age(lastBackup.at) <= lateSeconds
      ? good('backups', words)
      : bad('backups', words, 'Make one and see why it fails: rodizio backup create')
  if (lastDrill && age(lastDrill.at) > drillLateSeconds) {
    const late = `the last was restored on trial ${ago(lastDrill.at, now)}`
    return [made, bad('backup drill', late, 'See why: rodizio backup drill')]
  }
  return [made]
}
