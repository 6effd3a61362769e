import { iso } from '../../lib/clock.ts'
import type { TakenMail } from '../smtp/mailbox.ts'
import { decodedWords, readPart, splitHead } from './mime.ts'

/** A mail as a person reads it. All of it but the envelope was written by whoever sent it. */
export interface ReadMail {
  readonly id: number
  readonly at: string
  readonly user: string | null
  readonly isEncrypted: boolean
  /** Of the envelope. */
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  /** In their order, with encoded words read. */
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** The first plain text, and the first web page. */
  readonly text: string | null
  readonly html: string | null
  readonly raw: string
}

export function readMail(mail: TakenMail): ReadMail {
  const { headers, body } = splitHead(mail.raw)
  const { text, html } = readPart(headers, body)
  const read = headers.map(({ name, value }) => ({ name, value: decodedWords(value) }))
  const { id, user, isEncrypted, from, to, raw } = mail
  const subject = read.find(({ name }) => name.toLowerCase() === 'subject')?.value ?? ''
  return {
    ...{ id, at: iso(mail.at), user, isEncrypted, from, to, subject },
    ...{ headers: read, text, html, raw },
  }
}
