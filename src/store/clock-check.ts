import { AppError } from '../lib/errors.ts'
import type { Queries } from './database.ts'
import { newestEventAt } from './event-rows.ts'

/** Small steps back are ordinary clock corrections. */
const toleratedSeconds = 300

/**
 * Refuses to start when the clock stands before what the data folder has already seen: weeks would be charged twice.
 * @throws AppError `conflict` (`clock_turned_back`)
 */
export async function refuseTurnedBackClock(db: Queries, now: Date): Promise<void> {
  const seen = await newestEventAt(db)
  if (!seen || seen.getTime() - now.getTime() <= toleratedSeconds * 1000) return
  throw new AppError(
    'conflict',
    `this machine's clock says ${now.toISOString()}, but this data folder was in use at ${seen.toISOString()}`,
    {
      code: 'clock_turned_back',
      next: 'Set the clock right (timedatectl set-ntp true); if it is right: rodizio up --accept-clock',
    },
  )
}
