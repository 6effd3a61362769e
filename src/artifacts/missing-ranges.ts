import type { ByteRange } from './artifact-store.ts'

/** What of a file of `bytes` no range holds, in order; ranges may touch and overlap. Pure. */
export function missingRanges(bytes: number, held: readonly ByteRange[]): ByteRange[] {
  const missing: ByteRange[] = []
  let at = 0
  for (const { from, to } of held.toSorted((a, b) => a.from - b.from)) {
    if (from > at) missing.push({ from: at, to: Math.min(from, bytes) })
    at = Math.max(at, to)
    if (at >= bytes) return missing
  }
  if (at < bytes) missing.push({ from: at, to: bytes })
  return missing
}

/** Ranges cut into parts of at most `partBytes`, in order. Pure. */
export const inParts = (ranges: readonly ByteRange[], partBytes: number): ByteRange[] =>
  ranges.flatMap(({ from, to }) =>
    Array.from({ length: Math.ceil((to - from) / partBytes) }, (_, index) => ({
      from: from + index * partBytes,
      to: Math.min(to, from + (index + 1) * partBytes),
    })),
  )

/** Ranges with those that touch made one, so that a record of them stays short. Pure. */
export function joined(ranges: readonly ByteRange[]): ByteRange[] {
  const found: ByteRange[] = []
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = found.at(-1)
    if (last && range.from <= last.to) {
      found[found.length - 1] = { from: last.from, to: Math.max(last.to, range.to) }
    } else if (range.to > range.from) found.push(range)
  }
  return found
}
