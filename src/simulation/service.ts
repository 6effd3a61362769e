import type { Prior } from '../rotation/engine/input.ts'
import { giveUpNode } from '../rotation/give-up-node.ts'
import { silenceSeconds } from '../rotation/session.ts'
import { tick } from '../rotation/tick.ts'
import type { TickPorts } from '../rotation/tick-ports.ts'
import type { Faults } from './faults.ts'
import type { Memory } from './memory.ts'
import type { ProviderModel } from './models/machine.ts'
import { mortal } from './mortal.ts'
import { stream } from './random.ts'
import type { Handle, VirtualTime } from './virtual-time.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const weekMs = 7 * 24 * hourMs
/** The service looks at the world every ten seconds; here only when something can have changed. */
const lookMs = 10_000
/** … and at least so often while a session is open. */
const idleLookMs = 2 * hourMs

export interface ServiceOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  readonly memory: Memory
  readonly providers: readonly ProviderModel[]
  readonly priorOf: () => Prior
  readonly personSeconds: number
  /** Delivers the heartbeats that have been sent since. */
  readonly hear: () => Promise<void>
  /** In place of the engine's own look at runs without a session. */
  readonly look?: (ports: TickPorts) => Promise<number | null>
}

/** The service process in virtual time: the real ticks, at the moments at which they can matter, and its deaths. */
export function service(options: ServiceOptions) {
  const { time, faults, memory } = options
  const random = stream(options.seed, 'service')
  const life = mortal()
  let isDown = false
  let next: Handle | null = null
  let ids = 0
  let ticks = 0
  let dieAt: number | null = null

  const ports: TickPorts = {
    store: life.over(memory.store, ['accounts', 'openRuns', 'openSessions', 'ledgerRows', 'apply']),
    providers: new Map(
      options.providers.map((provider) => [
        provider.name,
        life.over(provider, ['launch', 'observe', 'kill', 'askToStop', 'logTail', 'quota']),
      ]),
    ),
    renderNotebook: async (_run, _session, ticket) => ticket,
    newTicket: () => {
      ids += 1
      return { ticket: `ticket-${ids}`, hash: `ticket-${ids}` }
    },
    newSessionId: () => {
      ids += 1
      return `ses_${ids}`
    },
    now: () => time.date(),
    trouble: () => {},
    emulated: false,
    personSeconds: options.personSeconds,
    storeTrouble: async () => null,
    baseTrouble: async () => null,
    mountedBase: () => null,
    prior: async () => options.priorOf(),
    sealed: { follow: async (session) => session, collect: async () => undefined },
    quotaMaxAgeSeconds: 60,
    quotaAsked: new Map(),
  }

  /** Looks at the world at that moment, or earlier where that was asked for before. */
  function wake(atMs: number): void {
    if (isDown) return
    const due = Math.max(atMs, time.now())
    if (next?.work && next.atMs <= due) return
    time.cancel(next)
    next = time.at(due, look)
  }

  async function look(): Promise<void> {
    if (isDown) return
    if (dieAt !== null) {
      life.dieAt(dieAt, random.chance(0.5))
      dieAt = null
    }
    await options.hear()
    ticks += 1
    let wakesAt: number | null = null
    try {
      wakesAt = (await (options.look ?? tick)(ports)) ?? null
    } catch {
      // A store that is away, or the service's own death: the next look makes it good.
      wakesAt = 0
    }
    if (life.isDead()) {
      goDown()
      return
    }
    // Both are by the service's own clock, which may have jumped.
    const aheadMs = time.date().getTime() - time.now()
    const due = Math.min(wakesAt ?? Number.POSITIVE_INFINITY, nextLook()) - aheadMs
    wake(Math.max(due, time.now() + lookMs))
  }

  /** When a session may give reason to look again. */
  function nextLook(): number {
    const now = time.date().getTime()
    let soonest = now + 6 * hourMs
    for (const session of memory.open()) {
      const heard = (session.heardAt ?? session.launchedAt ?? session.createdAt).getTime()
      const silence = silenceSeconds(session) * 1000
      if (session.state === 'planned' || session.state === 'launching')
        soonest = Math.min(soonest, now + lookMs)
      else if (session.state === 'awaiting_person') {
        const from = session.launchedAt?.getTime() ?? now
        const until = session.expiresAt?.getTime() ?? now + hourMs
        const half = (from + until) / 2
        soonest = Math.min(soonest, half > now ? half : Math.max(until, now + lookMs))
      } else if (session.enrolledAt === null) soonest = Math.min(soonest, now + 3 * minuteMs)
      // The longer it says nothing, the less it matters when exactly it is given up.
      else if (now - heard > silence)
        soonest = Math.min(
          soonest,
          now + Math.min(10 * minuteMs, Math.max(minuteMs, (now - heard) / 8)),
        )
      else soonest = Math.min(soonest, now + idleLookMs)
    }
    return soonest
  }

  function goDown(): void {
    isDown = true
    time.cancel(next)
    const forMs = random.exponential(faults.restartMinutes) * minuteMs
    time.at(time.now() + forMs, () => {
      isDown = false
      life.revive()
      ports.quotaAsked.clear()
      wake(time.now())
    })
  }

  function scheduleDeath(): void {
    if (faults.restartsPerWeek <= 0) return
    const inMs = random.exponential(1) * (weekMs / faults.restartsPerWeek)
    time.at(time.now() + inMs, () => {
      if (random.chance(faults.restartMidTickShare)) {
        // At one of the calls of a look to come: between intent, launch, answer and bookkeeping.
        dieAt = 1 + Math.floor(random.uniform(0, 16))
        wake(time.now())
      } else {
        life.die()
        goDown()
      }
      scheduleDeath()
    })
  }

  function scheduleJump(): void {
    if (faults.clockJumpsPerWeek <= 0) return
    const inMs = random.exponential(1) * (weekMs / faults.clockJumpsPerWeek)
    time.at(time.now() + inMs, () => {
      const byMs = random.uniform(-1, 1) * faults.clockJumpSeconds * 1000
      time.jump(Math.round(byMs))
      scheduleJump()
    })
  }

  scheduleDeath()
  scheduleJump()

  return {
    wake,
    isDown: () => isDown,
    /** Something was heard, or has ended: the next look is at most ten seconds away. */
    soon: () => wake(time.now() + random.uniform(0, lookMs)),
    ticks: () => ticks,
    /** As the prober has it done: within the service, whose death it shares. */
    giveUp: (sessionId: string, reason: string) => giveUpNode(ports, sessionId, reason),
  }
}

export type Service = ReturnType<typeof service>
