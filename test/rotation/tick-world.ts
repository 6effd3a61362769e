import { sha256Hex } from '../../src/lib/random.ts'
import type { Account } from '../../src/rotation/account.ts'
import type { RotationStore } from '../../src/rotation/rotation-store.ts'
import type { Run } from '../../src/rotation/run.ts'
import type { SessionProvider } from '../../src/rotation/session-provider.ts'
import { tick } from '../../src/rotation/tick.ts'
import type { TickPorts } from '../../src/rotation/tick-ports.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { sessionGate } from '../../src/store/session-gate.ts'
import { settableClock } from '../settable-clock.ts'
import { accountOf, freshDatabase, runOf, seed, start } from '../store/fixture.ts'
import { type Script, scriptedProvider } from './scripted-provider.ts'

export interface WorldOptions {
  readonly accounts?: readonly Account[]
  readonly runs?: readonly Run[]
  readonly script?: Script[]
  readonly emulated?: boolean
  readonly mountedBase?: TickPorts['mountedBase']
}

/** The rotation over a real store, a scripted provider, and a clock that stands still; gone at the end of the block. */
export async function tickWorld(options: WorldOptions = {}) {
  const fresh = await freshDatabase()
  const clock = settableClock(start)
  const now = () => clock.now()
  const accounts = options.accounts ?? [accountOf('ana'), accountOf('bia')]
  await seed(fresh.db, accounts, options.runs ?? [runOf('one')])
  const kaggle = scriptedProvider(accounts[0]?.provider ?? 'kaggle', options.script)
  const store = rotationStore(fresh.db, now)
  const gate = sessionGate(fresh.db, now)
  const look = reads(fresh.db)
  const troubles: unknown[] = []
  let ids = 0
  let storeTrouble: string | null = null
  let baseTrouble: string | null = null
  const portsOver = (memory: RotationStore, provider: SessionProvider): TickPorts => ({
    store: memory,
    providers: new Map([[provider.name, provider]]),
    renderNotebook: async (_run, _session, ticket) => ticket,
    newTicket: () => {
      ids += 1
      const ticket = `rzt_${ids}`
      return { ticket, hash: sha256Hex(ticket) }
    },
    newSessionId: () => {
      ids += 1
      return `ses_${ids}`
    },
    now,
    trouble: (error) => troubles.push(error),
    emulated: options.emulated ?? false,
    quotaMaxAgeSeconds: 60,
    quotaAsked: new Map(),
    personSeconds: 100,
    storeTrouble: async () => storeTrouble,
    baseTrouble: async () => baseTrouble,
    prior: async () => ({ stepsPerHour: 5, startSeconds: 300, saveSeconds: 20 }),
    mountedBase: options.mountedBase ?? (() => null),
    sealed: { follow: async (session) => session, collect: async () => undefined },
  })
  const ports = portsOver(store, kaggle.provider)
  const run = async (name = 'one') => {
    const found = await look.run(name)
    if (!found) throw new Error(`no run ${name}`)
    return found
  }
  return {
    db: fresh.db,
    clock,
    kaggle: kaggle.state,
    provider: kaggle.provider,
    store,
    gate,
    look,
    troubles,
    setStoreTrouble: (why: string | null) => {
      storeTrouble = why
    },
    setBaseTrouble: (why: string | null) => {
      baseTrouble = why
    },
    portsOver,
    run,
    /** @param beside providers other than the scripted one */
    tick: (beside: readonly SessionProvider[] = []) =>
      tick({
        ...ports,
        providers: new Map([...ports.providers, ...beside.map((one) => [one.name, one] as const)]),
      }),
    sessions: async (name = 'one') => look.sessionsOf((await run(name)).id),
    /** The last session of the run calls in with its ticket. */
    async enrol(name = 'one') {
      const session = (await look.sessionsOf((await run(name)).id)).at(-1)
      if (!session) throw new Error('no session')
      const ticket = sha256Hex(kaggle.state.ticketOf(session.name))
      await gate.enrol({ ticket, nonce: sha256Hex('nonce'), token: sha256Hex(`token ${ticket}`) })
      return session
    },
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

export type TickWorld = Awaited<ReturnType<typeof tickWorld>>
