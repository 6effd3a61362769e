/**
 * When a node's next turn comes: each has a moment of its own within the interval, by its id, so that many are spread evenly and each
 * is looked at once in every interval, from the start on. Counted from 1970, so that a restart moves none.
 * @returns the first such moment after `nowMs`
 */
export function nextTurn(id: string, intervalSeconds: number, nowMs: number): number {
  const intervalMs = intervalSeconds * 1000
  const phaseMs = Math.floor(share(id) * intervalMs)
  const turns = Math.floor((nowMs - phaseMs) / intervalMs) + 1
  return phaseMs + turns * intervalMs
}

/**
 * A number in [0, 1) that ids are spread over evenly: FNV-1a in 32 bits (Fowler, Noll, Vo; RFC 9923), its bits mixed once more by
 * MurmurHash3's finalizer, since the last letters of ids often count upwards.
 */
function share(id: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at += 1) {
    hash ^= id.charCodeAt(at)
    hash = Math.imul(hash, 0x01000193)
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) / 2 ** 32
}
