/** What Kaggle says about the newest session of a kernel; `absent` when it knows no such kernel of ours. */
export type KaggleSessionState =
  | 'queued'
  | 'running'
  | 'complete'
  | 'error'
  | 'cancel_requested'
  | 'cancelled'
  | 'never_ran'
  | 'absent'
  | 'unknown'

const STATES = new Map<string, KaggleSessionState>([
  ['queued', 'queued'],
  ['running', 'running'],
  ['complete', 'complete'],
  ['error', 'error'],
  ['cancelrequested', 'cancel_requested'],
  ['cancelacknowledged', 'cancelled'],
  ['newscript', 'never_ran'],
])

/**
 * Reads a status in any of its spellings: `CANCEL_ACKNOWLEDGED`, `cancelAcknowledged`, `KernelWorkerStatus.RUNNING`.
 * A word that is not known is `unknown`; no word at all is the enumeration's first value, which its format leaves out.
 */
export function readStatus(text: string | null | undefined): KaggleSessionState {
  if (text === undefined || text === null) return 'queued'
  const word = text.trim().replace(/^KernelWorkerStatus\./i, '')
  return STATES.get(word.replace(/[\s_-]/g, '').toLowerCase()) ?? 'unknown'
}

/** Whether a session in this state may still be using GPU time. An unknown state may. */
export const mayBeRunning = (state: KaggleSessionState): boolean =>
  state === 'queued' || state === 'running' || state === 'cancel_requested' || state === 'unknown'
