import { sha256Hex } from '../lib/random.ts'

/** Who has changed what, and how it went. */
export interface AuditEntry {
  readonly number: number
  readonly at: Date
  /** `admin`, or the name of a token. */
  readonly who: string
  /** The call: method and path. */
  readonly what: string
  /** The status that it was answered with. */
  readonly outcome: number
}

export interface AuditLine extends AuditEntry {
  readonly hash: string
}

/** What stands before the first line. */
export const firstHash = '0'.repeat(64)

/** A line's hash: of the one before and of all that it says, so that no line can be changed, taken out or moved unseen. Pure. */
export const hashOf = (before: string, { number, at, who, what, outcome }: AuditEntry): string =>
  sha256Hex(JSON.stringify([before, number, at.toISOString(), who, what, outcome]))

/** How far the log goes, as it is kept beside it. */
export interface AuditHead {
  readonly number: number
  readonly hash: string
}

export type AuditVerdict =
  | { readonly kind: 'whole'; readonly lines: number }
  | { readonly kind: 'broken'; readonly number: number; readonly why: string }

/** Goes through the lines in their order, one after the other. */
export function auditVerifier() {
  let last: AuditHead = { number: 0, hash: firstHash }
  let broken: AuditVerdict | undefined
  return {
    see(line: AuditLine): void {
      if (broken) return
      const expected = last.number + 1
      if (line.number !== expected) {
        broken = { kind: 'broken', number: expected, why: `line ${expected} is missing` }
      } else if (line.hash !== hashOf(last.hash, line)) {
        broken = {
          kind: 'broken',
          number: line.number,
          why: `line ${line.number} is not what was written, or does not stand where it was written`,
        }
      }
      last = line
    },
    /** @param head as it is kept; null where nothing was ever written */
    end(head: AuditHead | null): AuditVerdict {
      if (broken) return broken
      const kept = head ?? { number: 0, hash: firstHash }
      if (kept.number === last.number && kept.hash === last.hash) {
        return { kind: 'whole', lines: last.number }
      }
      const number = Math.min(kept.number, last.number) + 1
      return {
        kind: 'broken',
        number,
        why: `it ends with line ${last.number}, and went to ${kept.number}`,
      }
    },
  }
}
