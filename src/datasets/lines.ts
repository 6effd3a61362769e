/** A line is at most this long, in bytes: a longer one is set aside without being held in memory. */
export const maxLineBytes = 1024 * 1024

export type Line =
  | { readonly kind: 'line'; readonly number: number; readonly bytes: Uint8Array }
  | {
      readonly kind: 'too-long'
      readonly number: number
      readonly head: Uint8Array
      readonly size: number
    }

const newline = 0x0a
const carriageReturn = 0x0d
const bom = [0xef, 0xbb, 0xbf]

/**
 * Cuts a stream of bytes into numbered lines, LF or CRLF, a byte order mark at the start taken off, empty lines left out.
 * Memory stays below twice the cap, however long a line is.
 */
export async function* lines(
  body: AsyncIterable<Uint8Array>,
  cap: number = maxLineBytes,
): AsyncGenerator<Line> {
  let parts: Uint8Array[] = []
  let held = 0
  let size = 0
  let number = 0
  const take = (): Line | undefined => {
    number += 1
    let bytes = Buffer.concat(parts, held)
    parts = []
    held = 0
    const whole = size
    size = 0
    if (number === 1 && bom.every((byte, i) => bytes[i] === byte)) bytes = bytes.subarray(3)
    if (whole > cap) return { kind: 'too-long', number, head: bytes.subarray(0, 1024), size: whole }
    if (bytes.at(-1) === carriageReturn) bytes = bytes.subarray(0, -1)
    return bytes.every((byte) => byte === 0x20 || byte === 0x09)
      ? undefined
      : { kind: 'line', number, bytes }
  }
  const hold = (part: Uint8Array) => {
    size += part.byteLength
    const room = cap - held
    if (room <= 0 || part.byteLength === 0) return
    // Copied, because the stream may use its buffer again.
    const kept = Buffer.from(part.subarray(0, room))
    parts.push(kept)
    held += kept.byteLength
  }
  for await (const chunk of body) {
    let from = 0
    for (;;) {
      const at = chunk.indexOf(newline, from)
      if (at < 0) break
      hold(chunk.subarray(from, at))
      const line = take()
      if (line) yield line
      from = at + 1
    }
    hold(chunk.subarray(from))
  }
  if (size > 0) {
    const line = take()
    if (line) yield line
  }
}
