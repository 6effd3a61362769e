import type { AuditEntry, AuditLine, AuditVerdict } from '../safekeeping/audit.ts'

/** Who has changed what. */
export interface AuditLog {
  add(entry: Omit<AuditEntry, 'number' | 'at'>): Promise<void>
  /** The newest first; `before` is the number of the last one seen. */
  newest(limit: number, before: number | null): Promise<readonly AuditLine[]>
  /** Whether every line is what was written, where it was written. */
  verify(): Promise<AuditVerdict>
}
