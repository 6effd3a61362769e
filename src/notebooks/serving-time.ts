import type { NotebookProvider } from './notebook-provider.ts'

const hour = 3600

/**
 * How long a serving notebook stays when nobody says otherwise, in seconds: below the provider's own limit, for that
 * ends a session without a word to who is being answered.
 */
export const usualSeconds: Readonly<Record<NotebookProvider, number>> = {
  kaggle: 8.5 * hour,
  colab: 11 * hour,
  local: 12 * hour,
}

/** How long an evaluating notebook may take when nobody says otherwise, in seconds: it ends when it is done. */
export const comparingSeconds = 2 * hour

/** The longest that is taken, in seconds. Kaggle: 9 h in a quota message of 2026-03; Colab: 12 h in its FAQ. */
export const mostSeconds: Readonly<Record<NotebookProvider, number>> = {
  kaggle: 8.75 * hour,
  colab: 11.75 * hour,
  local: 7 * 24 * hour,
}
