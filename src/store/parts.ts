import type { Part } from '../control/reads.ts'
import { AppError } from '../lib/errors.ts'
import { type Row, text } from './database.ts'

/** A cursor is the (time, id) of the last row shown, opaque to its user. */
export function readCursor(cursor: string | undefined): readonly [string, string] {
  if (cursor === undefined) return ['9999', '']
  const [, at, id] = /^(\S+) (.+)$/s.exec(Buffer.from(cursor, 'base64url').toString('utf8')) ?? []
  if (at === undefined || id === undefined) {
    throw new AppError('invalid', 'this cursor was not made here', {
      code: 'invalid_cursor',
      next: 'Begin again without a cursor',
    })
  }
  return [at, id]
}

/** One row more than asked for tells whether there is a next part. */
export function partOf<T>(rows: readonly Row[], limit: number, convert: (row: Row) => T): Part<T> {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  const next = last
    ? Buffer.from(`${text(last, 'created_at')} ${text(last, 'id')}`).toString('base64url')
    : null
  return { items: rows.slice(0, limit).map(convert), next }
}
