import type { Clock } from '../lib/clock.ts'
import type { RotationStore } from '../rotation/rotation-store.ts'
import type { Session } from '../rotation/session.ts'
import { endOf } from '../rotation/session-end.ts'
import type { SessionProvider } from '../rotation/session-provider.ts'

/** How long a session on this machine may take to save and report when the service stops. */
const graceSeconds = 20

/**
 * The normal stop of sessions on this machine: each is asked for a checkpoint and its report, which the service must still be
 * there to take; what has not ended after the grace is ended by force.
 */
export async function stopLocalSessions(
  store: RotationStore,
  local: SessionProvider,
  clock: Clock,
): Promise<void> {
  const accounts = new Map((await store.accounts()).map((account) => [account.name, account]))
  const mine = async () =>
    (await store.openSessions()).flatMap((session) => {
      const account = accounts.get(session.account)
      return session.provider === 'local' && account ? [{ session, account }] : []
    })
  for (const { session, account } of await mine()) await local.askToStop(account, session.name)
  const began = clock.monotonicMs()
  while ((await mine()).length > 0 && clock.monotonicMs() - began < graceSeconds * 1000) {
    await clock.sleep(100)
    // One that ended without a word, because it had not begun to train, is not waited for.
    for (const { session, account } of await mine()) {
      const seen = await local.observe(account, session.name, session.handle)
      if (seen.kind === 'ended' || seen.kind === 'absent') await end(store, session)
    }
  }
  for (const { session, account } of await mine()) {
    await local.kill(account, session.name)
    await end(store, session)
  }
}

async function end(store: RotationStore, { id: sessionId }: Session): Promise<void> {
  await store.apply({ kind: 'ended', sessionId, end: endOf('lost', 'the service was stopped') })
}
