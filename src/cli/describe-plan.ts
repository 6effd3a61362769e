import { stripVTControlCharacters } from 'node:util'
import type { Plan } from '../api/schemas.ts'
import { type Canvas, drawWeek, legend, lettersOf } from './draw-week.ts'
import { finishWords } from './finish-words.ts'
import { clockOf, dayOf, momentOf } from './wall-time.ts'

type Stay = Plan['stays'][number]

/** What `plan` answers: the week as a drawing, then in words its sessions, what waits, and when each run will be done. */
export function describePlan(plan: Plan, canvas: Canvas, isExplained: boolean): string {
  if (plan.accounts.length === 0 && plan.stays.length === 0) {
    const none = ['No account lends GPU time: add one with rodizio accounts add.']
    return wrapped([...none, '', ...waits(plan, canvas)], canvas)
      .join('\n')
      .trimEnd()
  }
  const emulated = plan.accounts.filter((account) => account.emulated).map(({ name }) => name)
  const words = [
    '',
    ...legend(plan, canvas),
    ...(emulated.length > 0 ? [`Emulated: ${emulated.join(', ')}.`] : []),
    '',
    ...sessions(plan, canvas, isExplained),
    ...waits(plan, canvas),
    ...finishes(plan, canvas),
    ...unserved(plan),
  ]
  return [...drawWeek(plan, canvas), ...wrapped(words, canvas)].join('\n').trimEnd()
}

/** No line longer than the terminal is wide, where its words allow that; what goes on is set in. */
function wrapped(lines: readonly string[], { columns }: Canvas): string[] {
  const width = Math.max(40, columns)
  return lines.flatMap((line) => {
    const parts: string[] = []
    let rest = line
    while (lengthOf(rest) > width) {
      const cut = rest.lastIndexOf(' ', width)
      const begins = rest.length - rest.trimStart().length
      if (cut <= begins) break
      parts.push(rest.slice(0, cut))
      rest = `${' '.repeat(7)}${rest.slice(cut + 1)}`
    }
    return [...parts, rest]
  })
}

/** Characters that are seen: the legend's lines are short, but for their colours. */
const lengthOf = (line: string): number => stripVTControlCharacters(line).length

function sessions(plan: Plan, { zone }: Canvas, isExplained: boolean): string[] {
  if (plan.stays.length === 0) return ['No session is planned.', '']
  const letters = lettersOf(plan)
  const lines = plan.stays.flatMap((stay) => {
    const letter = letters.get(stay.work) ?? '?'
    const line = `  ${letter}  ${span(stay, zone)}  ${what(stay, plan)}`
    return isExplained && stay.bound !== null ? [line, `     ${reason(stay)}`] : [line]
  })
  return ['Sessions:', ...lines, '']
}

function span({ startsAt, endsAt }: Stay, zone: string): string {
  const from = new Date(startsAt)
  const to = new Date(endsAt)
  const isSameDay = dayOf(from, zone) === dayOf(to, zone)
  const until = isSameDay ? clockOf(to, zone) : `${dayOf(to, zone)} ${clockOf(to, zone)}`
  return `${dayOf(from, zone)} ${clockOf(from, zone)} to ${until}`
}

function what(stay: Stay, plan: Plan): string {
  const work = stay.kind === 'policy' ? `${stay.work} is served` : stay.work
  const steps = stay.steps > 0 ? `, some ${stay.steps} steps` : ''
  return `${work} on ${stay.account}: ${length(stay.hours)}${steps}${status(stay, plan)}`
}

/** Hours, or minutes of less than one. */
const length = (hours: number): string =>
  hours < 1 ? `${Math.max(1, Math.round(hours * 60))} min` : `${hours.toFixed(1)} h`

function status(stay: Stay, plan: Plan): string {
  if (stay.state === 'live') return '; under way'
  if (stay.state === 'planned') return ''
  const owner = plan.accounts.find(({ name }) => name === stay.account)?.owner ?? stay.account
  return `; waits for ${owner} to open its link`
}

const reason = ({ bound, runnerUp }: Stay): string =>
  `bound by ${bound}; ${runnerUp === null ? 'no other account could have taken it' : `next would have been ${runnerUp}`}`

function waits(plan: Plan, { zone }: Canvas): string[] {
  if (plan.waits.length === 0) return []
  const lines = plan.waits.map(({ work, why, until }) => {
    const next = until ? `; until ${momentOf(new Date(until), zone)}` : ''
    return `  ${work}: ${why}${next}`
  })
  return ['Waiting now:', ...lines, '']
}

function finishes(plan: Plan, { zone }: Canvas): string[] {
  const runs = Object.entries(plan.finishes)
  if (runs.length === 0) return []
  const now = new Date(plan.madeAt)
  const lines = runs.map(([run, finish]) =>
    finish
      ? `  ${run}: ${finishWords(finish, now, zone)}`
      : `  ${run}: not to be said, nothing of it is planned`,
  )
  return ['Done:', ...lines, '']
}

function unserved(plan: Plan): string[] {
  const missed = Object.entries(plan.unservedHours).filter(([, hours]) => hours > 0)
  if (missed.length === 0) return []
  const lines = missed.map(([policy, hours]) => `  ${policy}: ${hours.toFixed(1)} h`)
  return ['Wanted and served by nobody:', ...lines]
}
