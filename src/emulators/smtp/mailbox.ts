/** A message as it was taken: the envelope of the conversation, and the text as it came. */
export interface TakenMail {
  readonly id: number
  readonly at: Date
  /** Who it was sent for, after a sign-in; null without one. */
  readonly user: string | null
  readonly isEncrypted: boolean
  readonly from: string
  readonly to: readonly string[]
  /** Header and body, with dots unstuffed, lines ended by CRLF. */
  readonly raw: string
}

export interface Mailbox {
  take(mail: Omit<TakenMail, 'id'>): void
  /** Newest last. */
  all(): readonly TakenMail[]
  clear(): void
}

/** Holds the newest mails, so many and so many characters of them at the most; older ones are let go. */
export function createMailbox(most = 1000, mostCharacters = 64 * 1024 * 1024): Mailbox {
  let mails: TakenMail[] = []
  let last = 0
  return {
    take(mail) {
      last += 1
      mails = [...mails, { ...mail, id: last }].slice(-most)
      let held = mails.reduce((sum, { raw }) => sum + raw.length, 0)
      while (held > mostCharacters && mails.length > 1) held -= mails.shift()?.raw.length ?? 0
    },
    all: () => mails,
    clear: () => {
      mails = []
    },
  }
}
