import { z } from 'zod'
import { type AdminCalls, check, commonCalls, done, type EmulatorAdmin } from '../admin-calls.ts'
import type { Fault } from '../faults.ts'
import { ServiceError } from '../service-error.ts'
import type { ReadMail } from './read-mail.ts'

/**
 * What can be done to the mail server from outside. Its steps are named, for faults, `connect`, `EHLO`, `AUTH`, `MAIL`, `RCPT`,
 * `DATA` and `message` (all of it was sent, and no answer given). `*` is the next step of any kind.
 */
export interface MailAdmin extends EmulatorAdmin {
  /** `POST /_emulator/greylist {seconds}`: who is new must come again after so long, in virtual seconds; null ends that. */
  greylist(seconds: number | null): void
  /** `GET /_emulator/inbox` with `accept: application/json` answers `{"items": […]}`, newest first. */
  inbox(): readonly ReadMail[]
}

const Greylist = z.object({ seconds: z.number().min(0).nullable() })

export const mailCalls = (admin: MailAdmin): AdminCalls => ({
  ...commonCalls(admin),
  'POST greylist': (body) => done(admin.greylist(check(Greylist, body).seconds)),
  'GET inbox': () => ({ items: admin.inbox() }),
})

const STEPS = ['*', 'connect', 'EHLO', 'AUTH', 'MAIL', 'RCPT', 'DATA', 'message']
const KINDS = ['status', 'hang', 'cut', 'garbage', 'started_but_cut']

/** Throws 400 for a fault that would wait for ever or do nothing here. */
export function checkFault({ rpc, kind }: Fault): void {
  if (!STEPS.includes(rpc)) {
    throw new ServiceError(400, `There is no step ${rpc}; there are ${STEPS.join(', ')}`)
  }
  if (!KINDS.includes(kind)) {
    throw new ServiceError(400, `A mail server has no ${kind}; it has ${KINDS.join(', ')}`)
  }
  if (rpc !== 'message' && kind === 'started_but_cut') {
    throw new ServiceError(400, 'started_but_cut is of the step message alone')
  }
  if (rpc === 'message' && kind === 'garbage') {
    throw new ServiceError(400, 'The step message has status, hang, cut and started_but_cut')
  }
}
