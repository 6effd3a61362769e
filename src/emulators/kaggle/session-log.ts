import type { Timeline } from '../growing-log.ts'

/** One line of output, in the shape of the service's log. `time` is seconds since the session's start. */
export interface LogEvent {
  readonly stream_name: 'stdout'
  readonly time: number
  readonly data: string
}

/** Lines as log events, the first of them being line number `from` of the session. */
export const toEvents = (lines: readonly string[], from: number, timeline: Timeline): LogEvent[] =>
  lines.map((data, index) => ({
    stream_name: 'stdout',
    time: Math.round(timeline.secondsOf(from + index) * 1000) / 1000,
    data,
  }))
