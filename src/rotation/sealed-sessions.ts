import type { Account } from './account.ts'
import type { Session } from './session.ts'
import type { SessionProvider } from './session-provider.ts'

/**
 * Sessions that reach no service: all they need went with them, and what they say stands in their log at the provider. Neither
 * method throws for a log that cannot be read now.
 */
export interface SealedSessions {
  /** Takes in what its log says since the last look: heartbeats, checkpoints, its report. The session as it stands then. */
  follow(session: Session, account: Account, provider: SessionProvider): Promise<Session>
  /** Takes in what it has stored and could not tell of any more. */
  collect(session: Session): Promise<void>
}
