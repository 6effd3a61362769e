/** Whether clocks go by it: the IANA name of a time zone. Offsets such as +01:00 know nothing of summer time, and are none. */
export function isZone(name: string): boolean {
  try {
    return (
      name === 'UTC' ||
      (/^[A-Za-z]/.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined)
    )
  } catch (error) {
    if (error instanceof RangeError) return false // what an unknown name throws
    throw error
  }
}

/** What to write instead of a name that is none. */
export const zoneExamples = 'Write its IANA name, such as Europe/Lisbon, America/Sao_Paulo or UTC'
