import type { Run, RunEvent } from '../api/schemas.ts'
import { opener, printable, seconds } from './narrate.ts'
import { momentOf } from './wall-time.ts'

type Session = Run['sessions'][number]

/**
 * What became of a run, in order: a line for what has opened it, if it was no person, one for each session with its time, its account, how it ended and what has to be done
 * again, and a line for each wait between two.
 * @param events of the run, oldest first
 * @param now until when a wait lasts that is not over
 */
export function story(run: Run, events: readonly RunEvent[], now: Date, zone: string): string[] {
  const told = [...run.sessions]
    .toSorted((a, b) => a.generation - b.generation)
    .map((session) => {
      const own = events.filter(({ sessionId }) => sessionId === session.id)
      const begun = session.startedAt ?? own[0]?.at ?? session.endedAt ?? run.createdAt
      return { at: begun, text: sessionLine(session, own, zone) }
    })
  return [...openings(events), ...told, ...waits(events, now)]
    .toSorted((a, b) => a.at.localeCompare(b.at))
    .map(({ at, text }) => `  ${momentOf(new Date(at), zone)}  ${printable(text)}`)
}

/** What has opened the run, where that was a standing run. */
const openings = (events: readonly RunEvent[]): { at: string; text: string }[] =>
  events
    .filter(({ kind }) => kind === 'standing.opened')
    .map(({ at, data }) => ({
      at,
      text: `opened by the standing run ${data.standing}: ${opener(data)}`,
    }))

function sessionLine(session: Session, events: readonly RunEvent[], zone: string): string {
  const { generation, account, provider, emulated, fromStep, toStep, usedSeconds } = session
  const where = `session ${generation} on ${account} (${provider}${emulated ? ', emulated' : ''})`
  const redone = events.reduce((sum, { data }) => sum + Number(data.lostSteps ?? 0), 0)
  const parts = [
    usedSeconds === null ? '' : seconds(usedSeconds),
    `steps ${fromStep} to ${toStep}`,
    redone > 0 ? `${redone} to be redone` : '',
  ]
  return `${where}: ${parts.filter((part) => part !== '').join(', ')}; ${ending(session, zone)}`
}

function ending(session: Session, zone: string): string {
  const { outcome, reason, state, link, sealed, deadlineAt } = session
  if (outcome) return reason === null ? outcome : `${outcome}: ${reason}`
  if (link) return `open ${link} and press Run all`
  const orders = sealed ? ', takes no orders: no public address' : ''
  return `${state.replaceAll('_', ' ')}${deadlineAt ? `, at most until ${momentOf(new Date(deadlineAt), zone)}` : ''}${orders}`
}

/** From the first word that the run waits until its next session is planned, or it is over; the reasons in turn. */
function waits(events: readonly RunEvent[], now: Date): { at: string; text: string }[] {
  const found: { at: string; text: string }[] = []
  let from: string | null = null
  let reasons: string[] = []
  const end = (at: Date, isOver: boolean) => {
    if (from === null) return
    const lasted = Math.max(0, (at.getTime() - Date.parse(from)) / 1000)
    const word = isOver ? 'waited' : 'has waited'
    found.push({ at: from, text: `${word} ${seconds(lasted)}: ${reasons.join(', then ')}` })
    from = null
    reasons = []
  }
  for (const event of events) {
    if (event.kind === 'run.waiting') {
      from ??= event.at
      const why = plain(event)
      if (!reasons.includes(why)) reasons.push(why)
    }
    if (ends.has(event.kind)) end(new Date(event.at), true)
  }
  end(now, false)
  return found
}

const ends = new Set(['session.planned', 'run.completed', 'run.failed', 'run.stopped'])

/** The reason alone, without when was to be looked again. */
const plain = ({ data }: RunEvent): string =>
  String(data.why ?? '?').replace(/; next look [^;]*/, '')
