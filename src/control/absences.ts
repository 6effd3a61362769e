import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { instantOf } from '../rotation/week.ts'
import type { Person } from './people.ts'

/** A span in which a person is not there to start anything; the end is not included. */
export interface Absence {
  readonly id: string
  readonly owner: string
  readonly from: Date
  readonly to: Date
}

export interface AbsenceRows {
  /** Those that end after a time, the earliest first. */
  absences(after: Date): Promise<Absence[]>
  /** Those who lend accounts now. */
  owners(): Promise<string[]>
  person(owner: string): Promise<Person>
  add(absence: Absence): Promise<void>
  /** What went, or undefined. */
  remove(id: string): Promise<Absence | undefined>
}

export interface WantedAbsence {
  readonly owner: string
  /** A day or a minute of the owner's wall clock, such as `2026-12-24` or `2026-12-24T18:00`; or an instant with its offset. */
  readonly from: string
  /** Likewise; a day counts whole. */
  readonly to: string
}

const dayMs = 86_400_000
const mostDays = 366

/**
 * Notes when a person is not there.
 * @throws AppError `not-found` (`owner_unknown`), `invalid` (`date_unreadable`, `span_empty`, `span_over`, `span_long`)
 */
export async function addAbsence(
  rows: AbsenceRows,
  wanted: WantedAbsence,
  now: Date,
): Promise<Absence & { readonly person: Person }> {
  const { owner } = wanted
  const owners = await rows.owners()
  if (!owners.includes(owner)) {
    throw new AppError('not-found', `nobody named ${owner} lends an account`, {
      code: 'owner_unknown',
      next:
        owners.length === 0
          ? 'Add an account first: rodizio accounts add NAME --provider kaggle --owner PERSON'
          : `One of: ${owners.join(', ')}`,
    })
  }
  const person = await rows.person(owner)
  const from = instantOfText('from', wanted.from, person.zone, false)
  const to = instantOfText('to', wanted.to, person.zone, true)
  const refuse = (code: string, why: string) =>
    new AppError('invalid', `to: ${why}`, {
      code,
      next: 'Write the first and the last day, such as --from 2026-12-24 --to 2026-12-26',
    })
  if (to <= from) throw refuse('span_empty', `${wanted.to} does not come after ${wanted.from}`)
  if (to <= now) throw refuse('span_over', `${wanted.to} has passed`)
  if (to.getTime() - from.getTime() > mostDays * dayMs) {
    throw refuse('span_long', `${wanted.from} to ${wanted.to} is longer than a year`)
  }
  const absence = { id: newId('away'), owner, from, to }
  await rows.add(absence)
  return { ...absence, person }
}

const written = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?(Z|[+-]\d{2}:\d{2})?)?$/

/** The instant that a person means in a zone; with `wholeDay` a bare date means its end. */
function instantOfText(field: string, text: string, zone: string, wholeDay: boolean): Date {
  const found = written.exec(text.trim())
  const [, year, month, day, hour, minute, second, offset] = found ?? []
  const wall = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour ?? 0),
    Number(minute ?? 0),
    Number(second ?? 0),
  )
  // A thirtieth of February, or an hour of 25, would else be another day without a word.
  const back = found ? new Date(wall).toISOString() : ''
  const same = `${year}-${month}-${day}T${hour ?? '00'}:${minute ?? '00'}:${second ?? '00'}`
  if (!found || !back.startsWith(same)) {
    throw new AppError('invalid', `${field}: ${JSON.stringify(text)} is no date`, {
      code: 'date_unreadable',
      next: 'Write 2026-12-24, or 2026-12-24T18:00; both are of the zone of that person',
    })
  }
  if (offset !== undefined) return new Date(`${same}${offset}`)
  return instantOf(zone, wholeDay && hour === undefined ? wall + dayMs : wall)
}

/** Takes a span back. @throws AppError `not-found` (`absence_unknown`) */
export async function removeAbsence(rows: AbsenceRows, id: string): Promise<Absence> {
  const gone = await rows.remove(id)
  if (gone) return gone
  throw new AppError('not-found', `there is no absence ${id}`, {
    code: 'absence_unknown',
    next: 'rodizio away list shows those that are not over',
  })
}
