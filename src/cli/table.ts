/** Rows as aligned columns, two spaces apart; the header only where there are rows. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const all = [header, ...rows]
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? '').length)),
  )
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A line chart in eight heights, at most `width` characters wide. */
export function sparkline(values: readonly number[], width = 60): string {
  const blocks = '▁▂▃▄▅▆▇█'
  const step = Math.max(1, values.length / width)
  const picked = Array.from(
    { length: Math.min(width, values.length) },
    (_, i) => values[Math.floor(i * step)] ?? 0,
  )
  const low = Math.min(...picked)
  const span = Math.max(...picked) - low || 1
  return picked.map((v) => blocks[Math.round(((v - low) / span) * (blocks.length - 1))]).join('')
}

/** A bar of done and undone, as `████░░░░  40 %`. */
export function bar(done: number, of: number, width = 24): string {
  const share = of === 0 ? 0 : Math.min(1, done / of)
  const full = Math.round(share * width)
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${String(Math.floor(share * 100)).padStart(3)} %`
}
