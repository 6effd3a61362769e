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

export const silentLog: Log = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}
