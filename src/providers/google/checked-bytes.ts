import { createHash } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'

/**
 * The same bytes, passed on as they come; size and hash are compared at the end.
 * @throws AppError `invalid` (`hash_mismatch`) after the last byte, so nothing of it may count before the end
 */
export async function* checkedBytes(
  source: AsyncIterable<Uint8Array>,
  expected: { readonly bytes: number; readonly sha256: string },
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of source) {
    hash.update(chunk)
    bytes += chunk.length
    yield chunk
  }
  if (bytes === expected.bytes && hash.digest('hex') === expected.sha256) return
  throw new AppError('invalid', 'a file came from Google Drive with other bytes than were stored', {
    code: 'hash_mismatch',
    next: 'Fetch it again; when it lasts, the copy on Drive is damaged',
  })
}
