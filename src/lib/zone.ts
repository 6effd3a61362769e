const isUtcIn = (month: number): boolean => new Date(2026, month, 1).getTimezoneOffset() === 0

/**
 * The time zone of this machine by its IANA name. Where its clock shows UTC in winter and summer that is what it is called, so that
 * a machine in UTC never loads the engine's tables of languages and calendars, some 9 MB (`Intl.DateTimeFormat`, Node 24.21).
 */
export const machineZone = (): string =>
  isUtcIn(0) && isUtcIn(6) ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone
