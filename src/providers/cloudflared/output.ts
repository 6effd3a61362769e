/**
 * A quick tunnel's address stands in a box; the addresses of terms, downloads and failed calls do not.
 * https://github.com/cloudflare/cloudflared/blob/master/cmd/cloudflared/tunnel/quick_tunnel.go
 */
const boxed = /\|\s+(https?:\/\/[^\s|]+)\s+\|/

/** What the end of the output may fill of an error message. */
const keptLines = 3

/** Reads what cloudflared prints, part by part: the address of its tunnel once it is told, and its last words. */
export function outputReader() {
  let rest = ''
  let address: string | undefined
  let last: string[] = []
  return {
    take(part: string): void {
      const lines = `${rest}${part}`.split('\n')
      // A line without an end is cut, so that a program which never ends one fills no memory.
      rest = (lines.pop() ?? '').slice(-4096)
      for (const line of lines) {
        address ??= boxed.exec(line)?.[1]?.replace(/\/+$/, '')
        if (line.trim() !== '') last = [...last, line.trim().slice(0, 200)].slice(-keptLines)
      }
    },
    address: (): string | undefined => address,
    lastWords: (): string => (last.length > 0 ? last.join(' / ') : 'it printed nothing'),
  }
}
