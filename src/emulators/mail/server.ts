import { type Emulator, startEmulator } from '../emulator.ts'
import { createGround } from '../ground.ts'
import { startSmtpEmulator } from '../smtp/server.ts'
import type { MailAdmin } from './admin.ts'
import type { MailEmulatorOptions } from './options.ts'
import { createService } from './service.ts'
import { openState } from './state.ts'

/** `url` is that of the inbox and the orders. */
export interface MailEmulator extends Emulator<MailAdmin> {
  /** `smtp://host:port` */
  readonly smtpUrl: string
  readonly inboxUrl: string
}

/**
 * Starts a mail server that takes every message, sends none on and shows them all at `/_emulator/inbox`. Mails are held in
 * memory: 1000 of them, or 64 million characters.
 * Throws `conflict` when another one has the folder or a port.
 */
export async function startMailEmulator(options: MailEmulatorOptions): Promise<MailEmulator> {
  const { host = '127.0.0.1', smtpPort, users, certificate, onClaim } = options
  const { emulator, service } = await startEmulator(
    'mail',
    options,
    openState,
    async ({ file }) => {
      const ground = createGround(options, file)
      const smtp = await startSmtpEmulator({
        host,
        port: smtpPort ?? 0,
        lastPort: file.state.smtpPort,
        now: ground.now,
        faults: ground.faults,
        ...(users === undefined ? {} : { users }),
        ...(certificate === undefined ? {} : { certificate }),
        onMail: ({ from, to }) =>
          ground.requests.record('message', 'SMTP', `${from} to ${to.join(', ')}`, {}),
      })
      file.state.smtpPort = smtp.port
      file.save()
      return { ...createService({ file, ground, smtp, onClaim }), smtpPort: smtp.port }
    },
  )
  return {
    ...emulator,
    smtpUrl: `smtp://${host === '0.0.0.0' ? '127.0.0.1' : host}:${service.smtpPort}`,
    inboxUrl: `${emulator.url}/_emulator/inbox`,
  }
}
