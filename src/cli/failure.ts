import { AppError, type ErrorKind, messageOf } from '../lib/errors.ts'

/** Exit statuses: 1 failed, 2 usage, 3 not found, 4 not allowed, 5 unavailable. */
const exitOf: Readonly<Record<ErrorKind, number>> = {
  invalid: 2,
  'not-found': 3,
  'not-allowed': 4,
  unauthorized: 4,
  unavailable: 5,
  conflict: 1,
  'disk-full': 1,
  internal: 1,
}

/** What is wrong with a file's content is a failure, not a misuse of the command. */
const failedCodes = new Set(['dataset_empty', 'dataset_rejected', 'notebook_problems'])

/** An error as a person meets it: what happened, what to do next; as one JSON object with --json. */
export function failure(
  error: unknown,
  flags: { json?: boolean; verbose?: boolean },
): { readonly text: string; readonly exitCode: number } {
  const known = error instanceof AppError ? error : undefined
  const exitCode = known && !failedCodes.has(known.code) ? exitOf[known.kind] : 1
  const message = messageOf(error)
  if (flags.json) {
    const code = known?.code ?? 'internal'
    const problem = { error: { code, message, ...(known?.next ? { next: known.next } : {}) } }
    return { text: JSON.stringify(problem), exitCode }
  }
  const named = known && known.code !== known.kind ? ` (${known.code})` : ''
  const lines = [`rodizio: ${message}${named}`]
  if (known?.next) lines.push(`  ${known.next}`)
  if (flags.verbose && error instanceof Error && error.stack) lines.push(error.stack)
  else if (!known) lines.push('  This is a defect of Rodízio; --verbose shows where it happened')
  return { text: lines.join('\n'), exitCode }
}
