import { type DestinationStream, pino } from 'pino'
import type { Log } from './log.ts'

/** Field names whose values never reach a log, at any of the depths where they occur. */
const secretFields = [
  'token',
  'ticket',
  'key',
  'password',
  'authorization',
  'sessionToken',
  'secret',
  'refreshToken',
  'deviceCode',
  'clientSecret',
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
