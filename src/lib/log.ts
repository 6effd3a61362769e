import { type DestinationStream, pino } from 'pino'

export interface LogLine {
  readonly event: string
  readonly [field: string]: unknown
}

/** Log events, not prose. */
export interface Log {
  info(line: LogLine): void
  warn(line: LogLine): void
  error(line: LogLine): void
}

/** Field names whose values never reach a log, at any of the depths where they occur. */
const secretFields = [
  'token',
  'ticket',
  'key',
  'password',
  'authorization',
  'sessionToken',
  'secret',
]

/** JSON lines on the destination, secrets masked by the name of their field. */
export function jsonLog(destination: DestinationStream): Log {
  const logger = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '••••',
      },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  return {
    info: (line) => logger.info(line),
    warn: (line) => logger.warn(line),
    error: (line) => logger.error(line),
  }
}

export const silentLog: Log = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}
