import type { EmulatorOptions } from './emulator.ts'
import type { FlakyEmulatorOptions } from './flaky/options.ts'
import { startFlakyEmulator } from './flaky/server.ts'
import type { MailEmulatorOptions } from './mail/options.ts'
import { startMailEmulator } from './mail/server.ts'
import type { TunnelEmulatorOptions } from './ngrok/options.ts'
import { startTunnelEmulator } from './ngrok/server.ts'

/** What a service sends to and looks at. Each is served where it is asked for, and not otherwise. */
export interface FrontOptions {
  /** A mail server with its inbox. */
  readonly mail?: Pick<MailEmulatorOptions, 'port' | 'smtpPort' | 'users' | 'certificate'>
  /** The edges of ngrok and of Cloudflare's quick tunnels. */
  readonly tunnels?: Pick<TunnelEmulatorOptions, 'port' | 'monthlyRequests' | 'requestsPerMinute'>
  /** A target of looks, with one trouble at a time. */
  readonly flaky?: Pick<FlakyEmulatorOptions, 'port' | 'targetPort' | 'name' | 'run'>
}

/** Where they answer; orders are given at `mail`, `tunnels` and `flaky`. */
export interface FrontUrls {
  readonly smtp?: string
  readonly mail?: string
  readonly tunnels?: string
  readonly target?: string
  readonly secureTarget?: string
  readonly flaky?: string
}

export interface Fronts {
  readonly urls: FrontUrls
  /** Where they are, for a person. */
  readonly places: readonly string[]
  close(): Promise<void>
}

type Common = Pick<EmulatorOptions, 'stateDir' | 'clock' | 'host' | 'adminToken'> & {
  readonly onClaim: () => void
}

/** Starts those that are asked for. Throws `conflict`, and leaves none running then. */
export async function startFronts(wanted: FrontOptions, common: Common): Promise<Fronts> {
  const closing: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    await Promise.all(closing.map((one) => one()))
  }
  let urls: FrontUrls = {}
  const places: string[] = []
  try {
    if (wanted.mail) {
      const mail = await startMailEmulator({ ...wanted.mail, ...common })
      closing.push(mail.close)
      urls = { ...urls, smtp: mail.smtpUrl, mail: mail.url }
      places.push(
        `mail is taken at ${mail.smtpUrl} and shown at ${mail.inboxUrl} (any name, the password is adminToken of emulators.json)`,
      )
    }
    if (wanted.tunnels) {
      const tunnels = await startTunnelEmulator({ ...wanted.tunnels, ...common })
      closing.push(tunnels.close)
      urls = { ...urls, tunnels: tunnels.url }
      places.push(
        `tunnels (ngrok's and cloudflared's, emulated) at ${tunnels.url}/NAME; emulated machines have a cloudflared that opens them there`,
      )
    }
    if (wanted.flaky) {
      const flaky = await startFlakyEmulator({ ...wanted.flaky, ...common })
      closing.push(flaky.close)
      const { targetUrl: target, secureUrl: secureTarget, url } = flaky
      urls = { ...urls, target, secureTarget, flaky: url }
      places.push(`a flaky target at ${target}`)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { urls, places, close }
}
