import type { SessionEnd } from '../session-end.ts'
import type { Report } from '../session-gate.ts'

/** No account is offered again for so long after it gave a session no usable GPU. */
const noGpuHoldSeconds = 6 * 3600
/** … nor after its queue was longer than what a sealed notebook brought along is good for. */
const lateHoldSeconds = 3600

const words = {
  finished: 'all steps are done',
  limit: 'stopped itself before its limit',
  stopped: 'stopped as ordered',
} as const

const outcomes = {
  finished: 'finished',
  limit: 'limit',
  stopped: 'cancelled',
  failed: 'failed',
} as const

/** What a session's own last word comes to. */
export function reportedEnd(report: Report, now: Date): SessionEnd {
  const { failure, outcome } = report
  const noGpu = failure?.class === 'no_gpu' || failure?.class === 'dead_gpu'
  const tooLate = failure?.class === 'access_expired'
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000)
  return {
    outcome: outcomes[outcome],
    reason: outcome === 'failed' ? (failure?.message ?? 'the notebook failed') : words[outcome],
    failure,
    logTail: outcome === 'failed' ? report.logTail : null,
    holdUntil: noGpu ? after(noGpuHoldSeconds) : tooLate ? after(lateHoldSeconds) : null,
  }
}
