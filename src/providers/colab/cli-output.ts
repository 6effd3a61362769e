import { type ColabRefusedReason, colabGaveNone } from '../../rotation/colab-refusal.ts'

/** A machine that the account holds. */
export interface CliSession {
  /** Null for a machine that no session of this folder knows: an orphan. */
  readonly name: string | null
  readonly endpoint: string
  /** `T4`, `CPU`, … */
  readonly hardware: string
}

export interface CliUsage {
  readonly computeUnits: number
  readonly unitsPerHour: number
  readonly assignments: number
}

/** An answer without a machine: the program does not say which outcome it had, and ends with its parser's complaint. */
const NO_MACHINE = /validation errors? for PostAssignmentResponse/

/** First match wins. The texts are those of google-colab-cli 0.7.5 (read 2026-11). */
const REASONS: readonly (readonly [RegExp, ColabRefusedReason])[] = [
  [/Allocation refused \(precondition failed\)/, 'too_many'],
  [/Backend rejected accelerator/, 'no_gpu'],
  [/\/tun\/m\/assign\S*: Service Unavailable/, 'no_gpu'],
  [NO_MACHINE, 'quota'],
  [
    /To authorize colab-cli, visit|No valid default credentials|: Unauthorized|: Forbidden/,
    'denied',
  ],
  [/invalid_grant|RefreshError/, 'denied'],
  // Before the next: behind a proxy, both are called a ProxyError.
  [/RemoteDisconnected\(|Read timed out|IncompleteRead\(|ConnectionResetError\(/, 'cut'],
  [/\/tun\/m\/assign\S*: (?:Internal Server Error|Bad Gateway|Gateway Time-?out)/i, 'cut'],
  [/NewConnectionError\(|NameResolutionError\(|ConnectTimeoutError\(/, 'unreachable'],
]

/** What a refusal means, from what the program printed before it ended. */
export const reasonIn = (output: string): ColabRefusedReason =>
  REASONS.find(([pattern]) => pattern.test(output))?.[1] ?? 'unknown'

/** The one line of an output that says most: the program's own last word, or the last line of a traceback. */
export function sentenceIn(output: string): string {
  if (NO_MACHINE.test(output)) return colabGaveNone
  const lines = output.split('\n').map((line) => line.trim())
  const own = lines.filter((line) => line.startsWith('[colab] ')).map((line) => line.slice(8))
  const said = own.findLast((line) => !/^(?:Creating|Stopping) session |^Session READY/.test(line))
  const error = lines.findLast((line) => /^[\w.]*(?:Error|Exception)\b/.test(line))
  const last = lines.findLast((line) => line !== '')
  return (said ?? error ?? last ?? 'it said nothing').slice(0, 300)
}

const SESSION = /^\[([^\]]+)\] (\S+) \| Hardware: ([^|]+?) \| /

/** The sessions that `colab sessions` lists. */
export const sessionsIn = (output: string): CliSession[] =>
  output.split('\n').flatMap((line) => {
    const [, name, endpoint, hardware] = SESSION.exec(line.trim()) ?? []
    if (name === undefined || endpoint === undefined || hardware === undefined) return []
    return [{ name: name === '?' ? null : name, endpoint, hardware }]
  })

/** The figures of `colab usage`, or null when they are not there. */
export function usageIn(output: string): CliUsage | null {
  const [, computeUnits] = /^Current balance: ([\d.]+) /m.exec(output) ?? []
  const [, unitsPerHour] = /^Usage rate: ([\d.]+)\/hr/m.exec(output) ?? []
  const [, assignments] = /^Active assignments: (\d+)/m.exec(output) ?? []
  if (computeUnits === undefined || unitsPerHour === undefined || assignments === undefined)
    return null
  return {
    computeUnits: Number(computeUnits),
    unitsPerHour: Number(unitsPerHour),
    assignments: Number(assignments),
  }
}

/** The oldest version whose words and flags were read and tried. */
export const oldestVersion = '0.7.5'

/** What `colab version` says, or null. */
export const versionIn = (output: string): string | null =>
  /^Version: (\d+\.\d+\.\d+\S*)/m.exec(output)?.[1] ?? null

/** Whether a version is older than what is known to work. */
export function isTooOld(version: string): boolean {
  const parts = (text: string) => text.split('.').slice(0, 3).map(Number.parseFloat)
  const [ours, theirs] = [parts(oldestVersion), parts(version)]
  const at = ours.findIndex((part, index) => part !== theirs[index])
  return at >= 0 && (theirs[at] ?? 0) < (ours[at] ?? 0)
}
