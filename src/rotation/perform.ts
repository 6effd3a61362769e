import type { Account } from './account.ts'
import type { Effect, Surroundings } from './engine/input.ts'
import { isOverdue, silentSeconds } from './engine/look.ts'
import type { Session } from './session.ts'
import { silenceSeconds } from './session.ts'
import type { SessionProvider } from './session-provider.ts'
import type { TickPorts } from './tick-ports.ts'

/** So much of the end of a log is kept with a session that failed. */
const tailChars = 4000

/**
 * Does what has to be done outside, and tells the engine what came of it, until nothing is left to do. What fails is told, and
 * the others go on.
 */
export async function perform(
  ports: TickPorts,
  around: Surroundings,
  effects: readonly Effect[],
): Promise<void> {
  const accounts = new Map((await ports.store.accounts()).map((account) => [account.name, account]))
  await Promise.all(
    effects.map(async (effect) => {
      const { session } = effect
      const account = accounts.get(session.account)
      const provider = ports.providers.get(session.provider)
      if (!account || !provider) return
      try {
        const next = await performOne(ports, around, effect, account, provider)
        await perform(ports, around, next)
      } catch (error) {
        ports.trouble(error, { runId: session.runId, sessionId: session.id })
      }
    }),
  )
}

async function performOne(
  ports: TickPorts,
  around: Surroundings,
  effect: Effect,
  account: Account,
  provider: SessionProvider,
): Promise<readonly Effect[]> {
  const { session } = effect
  const { id: sessionId } = session
  switch (effect.kind) {
    case 'observe': {
      const seen = await provider.observe(account, session.name, session.handle)
      return (await ports.store.apply({ kind: 'observed', sessionId, seen, around })).effects
    }
    case 'read-log': {
      const { seen } = effect
      const logTail = await provider.logTail(account, session.name, tailChars)
      // The notebook's own report may have arrived meanwhile: the first end counts.
      const event = { kind: 'observed' as const, sessionId, seen, logTail, around }
      return (await ports.store.apply(event)).effects
    }
    case 'kill':
      await provider.kill(account, session.name)
      return (await ports.store.apply({ kind: 'killed', sessionId })).effects
    case 'push':
      await push(ports, around, effect, account, provider)
      return []
    case 'follow-sealed':
      return followSealed(ports, around, session, account, provider)
  }
}

/** The intent with its ticket first, then the call, then what came of it. */
async function push(
  ports: TickPorts,
  around: Surroundings,
  { session, outputsOf }: Extract<Effect, { kind: 'push' }>,
  account: Account,
  provider: SessionProvider,
): Promise<void> {
  const run = (await ports.store.openRuns()).find(({ id }) => id === session.runId)
  if (!run) return
  const { ticket, hash: ticketHash } = ports.newTicket()
  const notebook = await ports.renderNotebook(run, session, ticket, account)
  await ports.store.apply({ kind: 'launching', sessionId: session.id, ticketHash })
  const result = await provider.launch({
    account,
    name: session.name,
    notebook,
    timeoutSeconds: session.plannedSeconds,
    outputsOf,
    models: ports.mountedBase(run)?.models ?? [],
  })
  await ports.store.apply({ kind: 'launched', sessionId: session.id, result, around })
}

/** A sealed session is heard through its log alone; what it stored without a word is taken in before it is given up. */
async function followSealed(
  ports: TickPorts,
  around: Surroundings,
  session: Session,
  account: Account,
  provider: SessionProvider,
): Promise<readonly Effect[]> {
  const heard = await ports.sealed.follow(session, account, provider)
  if (heard.endedAt) return []
  // Asked only now: its first word, after a long queue, sets the deadline anew.
  const overdue = isOverdue(heard, ports.now())
  const silent = silentSeconds(heard, ports.now())
  if (!overdue && heard.enrolledAt && silent <= silenceSeconds(heard)) return []
  const seen = await provider.observe(account, session.name, session.handle)
  if (!overdue && seen.kind !== 'ended' && seen.kind !== 'absent') return []
  // It may have ended between the two looks: its last words are there now.
  const last = await ports.sealed.follow(heard, account, provider)
  if (last.endedAt) return []
  await ports.sealed.collect(last)
  const event = { kind: 'observed' as const, sessionId: session.id, seen, around }
  return (await ports.store.apply(event)).effects
}
