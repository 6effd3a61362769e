import type { Account } from '../../rotation/account.ts'
import type { SessionProvider } from '../../rotation/session-provider.ts'

export interface ColabDrivers {
  /** A person starts it from a link. Undefined while no Google client is configured. */
  readonly link: SessionProvider | undefined
  /** The official command line starts it. */
  readonly cli: SessionProvider
  readonly now: () => Date
}

const waitSeconds = 3600

/** Colab by the driver of each account. */
export function colabSessions({ link, cli, now }: ColabDrivers): SessionProvider {
  const missing =
    'no Google client is configured: set GOOGLE_CLIENT_FILE, or GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET'
  const unlinked: SessionProvider = {
    ...cli,
    tells: () => false,
    launch: async () => ({
      kind: 'refused',
      reason: missing,
      retryAt: new Date(now().getTime() + waitSeconds * 1000),
    }),
    observe: async () => ({ kind: 'absent' }),
    kill: async () => false,
    logTail: async () => '',
  }
  const of = (account: Account): SessionProvider =>
    account.driver === 'cli' ? cli : (link ?? unlinked)
  return {
    name: 'colab',
    appearsWithinSeconds: Math.max(cli.appearsWithinSeconds, link?.appearsWithinSeconds ?? 0),
    tells: (account) => of(account).tells(account),
    sealed: () => false,
    launch: (order) => of(order.account).launch(order),
    observe: (account, name, handle) => of(account).observe(account, name, handle),
    kill: (account, name) => of(account).kill(account, name),
    askToStop: (account, name) => of(account).askToStop(account, name),
    logTail: (account, name, maxChars) => of(account).logTail(account, name, maxChars),
    quota: (account) => of(account).quota(account),
  }
}
