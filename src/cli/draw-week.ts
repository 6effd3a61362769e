import type { Plan } from '../api/schemas.ts'
import { clockOf, dayOf, stretches } from './wall-time.ts'

/** How a plan is drawn. */
export interface Canvas {
  /** Characters in a line. */
  readonly columns: number
  readonly hasColours: boolean
  /** Whose days and hours are shown. */
  readonly zone: string
}

type Stay = Plan['stays'][number]

/** Under which letter each run and policy is drawn: in the order in which they first have a session. */
export function lettersOf({ stays }: Plan): ReadonlyMap<string, string> {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
  const names = [...new Set(stays.map(({ work }) => work))]
  return new Map(names.map((name, index) => [name, letters[index % letters.length] ?? '?']))
}

const fills = { live: '█', planned: '▒', serving: '≡' }
const resetMark = '|'

/** What stands for what in the drawing, as far as the plan has it. */
export function legend(plan: Plan, { hasColours }: Canvas): string[] {
  const names = [...lettersOf(plan)].map(
    ([name, letter], index) => `${paint(letter, index, hasColours)} ${name}`,
  )
  const used = new Set(plan.stays.map(fillOf))
  const marks = [
    used.has('live') ? `${fills.live} under way` : '',
    used.has('planned') ? `${fills.planned} planned` : '',
    used.has('serving') ? `${fills.serving} serving` : '',
    `${resetMark} the week's hours begin anew`,
  ].filter((mark) => mark !== '')
  return names.length === 0 ? [marks.join('   ')] : [names.join('   '), marks.join('   ')]
}

function fillOf({ kind, state }: Stay): keyof typeof fills {
  if (kind === 'policy') return 'serving'
  return state === 'live' ? 'live' : 'planned'
}

const hoursLeft = (account: Plan['accounts'][number]): string =>
  `${(account.weeks[0]?.leftHours ?? 0).toFixed(1)} h`

/** The days of the plan: one row for each account, more where it has sessions at once; its hours left at the end of the row. */
export function drawWeek(plan: Plan, canvas: Canvas): string[] {
  const nameWidth = Math.min(16, Math.max(...plan.accounts.map(({ name }) => name.length), 7))
  const leftWidth = Math.max(...plan.accounts.map((account) => hoursLeft(account).length), 4)
  const room = canvas.columns - nameWidth - leftWidth - 2
  const cells = cellsOf(plan, room, canvas.zone)
  const line = (name: string, drawn: string, left: string) =>
    `${name.padEnd(nameWidth)} ${drawn} ${left.padStart(leftWidth)}`.trimEnd()
  const letters = lettersOf(plan)
  const rows = plan.accounts.flatMap((account) => {
    const mine = plan.stays.filter((stay) => stay.account === account.name)
    const resets = account.weeks.slice(1).map(({ startsAt }) => new Date(startsAt))
    return sideBySide(mine).map((stays, index) => {
      const drawn = drawRow(cells, stays, resets, letters)
      const name = index === 0 ? shortened(account.name, nameWidth) : ''
      const painted = canvas.hasColours ? paintRow(drawn, letters) : drawn.join('')
      return line(name, painted, index === 0 ? hoursLeft(account) : '')
    })
  })
  return [
    line('', dayNames(cells, canvas.zone), 'LEFT'),
    line('', nowMark(cells, new Date(plan.madeAt), canvas.zone), ''),
    ...rows,
  ]
}

/** Beginnings of the columns, in epoch milliseconds, and the end of the last one. */
interface Cells {
  readonly starts: readonly number[]
  readonly endMs: number
  readonly hours: number
}

/** As few hours in a column as the room allows: one, two, three, … of those that divide a day. */
function cellsOf(plan: Plan, room: number, zone: string): Cells {
  const untilMs = Date.parse(plan.until)
  for (const hours of [1, 2, 3, 4, 6, 8, 12, 24]) {
    const starts = stretches(new Date(plan.madeAt), new Date(plan.until), hours, zone)
    if (starts.length <= room || hours === 24) {
      return { starts: starts.map((at) => at.getTime()), endMs: untilMs, hours }
    }
  }
  return { starts: [], endMs: untilMs, hours: 24 }
}

/** The column of a moment; of one before the drawing the first, of one after it, or at its end, as many as there are. */
function columnOf({ starts, endMs }: Cells, atMs: number): number {
  if (atMs >= endMs) return starts.length
  return Math.max(
    0,
    starts.findLastIndex((startMs) => startMs <= atMs),
  )
}

function dayNames(cells: Cells, zone: string): string {
  const line: string[] = Array.from({ length: cells.starts.length }, () => ' ')
  const isShort = 24 / cells.hours < 7
  let free = 0
  const begins = cells.starts.map((startMs, column) => {
    const before = cells.starts[column - 1]
    return before === undefined || dayOf(new Date(before), zone) !== dayOf(new Date(startMs), zone)
  })
  begins.forEach((isFirst, column) => {
    if (!isFirst || column < free) return
    const name = dayOf(new Date(cells.starts[column] ?? 0), zone, isShort)
    const next = begins.indexOf(true, column + 1)
    // A day of which too little is left goes without its name.
    if ((next < 0 ? line.length : next) - column < Math.min(name.length + 1, 24 / cells.hours))
      return
    for (const [at, letter] of [...name].entries()) {
      if (column + at < line.length) line[column + at] = letter
    }
    free = column + name.length + 1
  })
  return line.join('')
}

function nowMark(cells: Cells, now: Date, zone: string): string {
  const mark = `${' '.repeat(columnOf(cells, now.getTime()))}▼ now, ${clockOf(now, zone)}`
  return mark.padEnd(cells.starts.length)
}

/** Sessions that overlap in rows of their own; one row, empty, where there is none. */
function sideBySide(stays: readonly Stay[]): Stay[][] {
  const rows: Stay[][] = [[]]
  for (const stay of stays) {
    const row = rows.find((others) => (others.at(-1)?.endsAt ?? '') <= stay.startsAt)
    if (row) row.push(stay)
    else rows.push([stay])
  }
  return rows
}

function drawRow(
  cells: Cells,
  stays: readonly Stay[],
  resets: readonly Date[],
  letters: ReadonlyMap<string, string>,
): string[] {
  const row: string[] = Array.from({ length: cells.starts.length }, () => '·')
  const heads = new Set<number>()
  for (const stay of stays) {
    const endMs = Date.parse(stay.endsAt)
    let from = columnOf(cells, Date.parse(stay.startsAt))
    // Of two that share a column the second one begins in the next, where that leaves it one.
    if (heads.has(from) || (row[from] !== '·' && columnOf(cells, endMs - 1) > from)) from += 1
    const to = Math.max(from + 1, Math.min(row.length, columnOf(cells, endMs - 1) + 1))
    for (let at = from; at < Math.min(to, row.length); at++) row[at] = fills[fillOf(stay)]
    if (from >= row.length) continue
    row[from] = letters.get(stay.work) ?? '?'
    heads.add(from)
  }
  for (const reset of resets) {
    const at = columnOf(cells, reset.getTime())
    if (reset.getTime() >= cells.endMs) continue
    // A letter is not drawn over: the mark stands before it where there is room.
    if (!heads.has(at)) row[at] = resetMark
    else if (row[at - 1] === '·') row[at - 1] = resetMark
  }
  return row
}

const shortened = (name: string, width: number): string =>
  name.length > width ? `${name.slice(0, width - 1)}…` : name

/** Green, blue, magenta, cyan, yellow in turn: each run its own where there are no more than five. */
const colours = [32, 34, 35, 36, 33]

const paint = (text: string, index: number, hasColours: boolean): string =>
  hasColours ? `\u001b[${colours[index % colours.length]}m${text}\u001b[0m` : text

/** Each bar in the colour of its run. */
function paintRow(row: readonly string[], letters: ReadonlyMap<string, string>): string {
  const order = [...letters.values()]
  let painted = ''
  let index = -1
  for (const cell of row) {
    if (order.includes(cell)) index = order.indexOf(cell)
    const isBar = cell !== '·' && cell !== resetMark
    painted += isBar && index >= 0 ? paint(cell, index, true) : cell
  }
  return painted
}
