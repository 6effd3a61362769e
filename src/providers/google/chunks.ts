/** The same bytes in chunks of one size, the last one shorter. */
export async function* chunksOf(
  source: AsyncIterable<Uint8Array>,
  chunkBytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let chunk = new Uint8Array(chunkBytes)
  let filled = 0
  for await (const part of source) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + chunkBytes - filled)
      chunk.set(taken, filled)
      at += taken.length
      filled += taken.length
      if (filled < chunkBytes) continue
      yield chunk
      chunk = new Uint8Array(chunkBytes)
      filled = 0
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled)
}
