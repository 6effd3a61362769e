/**
 * Why Colab's command line gave no machine: hours used up (or a blocked account, which looks the same), no such GPU free, too
 * many sessions (or no capacity: the service does not tell these apart), not signed in or not let in, Colab out of reach so that
 * nothing was asked, an answer cut off so that there may be a machine all the same, or none of these.
 */
export type ColabRefusedReason =
  | 'quota'
  | 'no_gpu'
  | 'too_many'
  | 'denied'
  | 'unreachable'
  | 'cut'
  | 'unknown'

/** How long an account is left alone, in minutes. Colab names no time: usage limits pass within a day, the rest sooner. */
export const colabWaitMinutes: Readonly<Record<Exclude<ColabRefusedReason, 'cut'>, number>> = {
  quota: 360,
  no_gpu: 30,
  too_many: 15,
  denied: 30,
  unreachable: 1,
  unknown: 15,
}

/** What is said where Colab answers without a machine and without a reason. */
export const colabGaveNone =
  'Colab gave no machine: its hours are used up, or this account gets no GPU'
