import { type Clock, secondsBetween } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { baseNamed } from '../notebooks/catalogue.ts'
import { type BaseSourcePorts, baseSource, keyOf, type WantedBase } from './base-source.ts'
import type { HubAccess } from './hub-access.ts'
import { orderEntry, type Ways } from './ways.ts'

export interface BasePorts extends Pick<BaseSourcePorts, 'artifacts'> {
  readonly access: Pick<HubAccess, 'token' | 'refused' | 'hubUrl'>
  readonly hub: BaseSourcePorts['hub'] & {
    /** An address that gives out one large file by itself for about an hour. */
    address(token: string, id: string, revision: string, name: string): Promise<string>
  }
  /** How sessions fetch what stands in the artifact store. */
  readonly ways: Pick<Ways, 'downloads'>
  readonly clock: Clock
}

/** A base as a work order names it: with an address for each file, or with the sentence why there is none. */
export interface BaseOrder {
  readonly id: string
  readonly revision: string
  readonly files: readonly ReturnType<typeof orderEntry>[]
  readonly refused?: string
}

/** A plan as far as its base goes. */
type Planned = Readonly<Record<string, unknown>>

/** What the hub said is asked again after so long. */
const goodSeconds = 300
const badSeconds = 60
/** A tick waits no longer for the hub. */
const tickMs = 2000

/**
 * The way of gated bases into sessions that have no token: large files by addresses that the hub signs for an hour, small ones by
 * way of the artifact store. The token itself goes to the hub and nowhere else.
 */
export function baseDesk({ access, hub, artifacts, ways, clock }: BasePorts) {
  const look = baseSource({ hubUrl: access.hubUrl, hub, artifacts })
  const said = new Map<string, { at: Date; token: string; why: string | null }>()
  const asking = new Map<string, Promise<string | null>>()

  /** @throws AppError `unauthorized` when none is stored, or the hub did not take it the last time */
  async function tokenFor({ id }: WantedBase): Promise<string> {
    const kept = await access.token()
    if (kept?.state === 'good') return kept.token
    const why = kept ? 'the hub takes the stored token no longer' : 'no token is stored'
    throw new AppError(
      'unauthorized',
      `the base ${id} is given out for a token alone, and ${why}: make a read token at ${access.hubUrl}/settings/tokens, and give it with rodizio login hub`,
      { code: kept ? 'hub_token_over' : 'hub_token_missing' },
    )
  }

  /** Does what needs the token, and notes when the hub does not take it any more. */
  async function withToken<T>(wanted: WantedBase, work: (token: string) => Promise<T>): Promise<T> {
    const token = await tokenFor(wanted)
    try {
      return await work(token)
    } catch (error) {
      if (error instanceof AppError && error.code === 'hub_token_over') await access.refused(token)
      throw error
    }
  }

  /** Whether everything is there, the licence included: one address is asked for, and forgotten. */
  async function ask(wanted: WantedBase): Promise<string | null> {
    try {
      await withToken(wanted, async (token) => {
        const { large } = await look(wanted, token)
        const [first] = large
        if (first) await hub.address(token, wanted.id, wanted.revision, first.name)
      })
      return null
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return isRefusal(error) ? error.message : `its base cannot be had now: ${error.message}`
    }
  }

  /** By which one stored token is told from another, and from itself once it is refused; no token can be made from it. */
  async function fingerprint(): Promise<string> {
    const kept = await access.token()
    return sha256Hex(kept ? `${kept.state} ${kept.token}` : '')
  }

  /** As `ask`, whose answer holds for a while, until another token is stored. */
  async function trouble(wanted: WantedBase): Promise<string | null> {
    const key = keyOf(wanted)
    const token = await fingerprint()
    const before = said.get(key)
    if (before?.token === token) {
      const age = secondsBetween(before.at, clock.now())
      if (age < (before.why === null ? goodSeconds : badSeconds)) return before.why
    }
    const underWay = asking.get(key)
    if (underWay) return underWay
    const work = ask(wanted)
      .then(async (why) => {
        said.set(key, { at: clock.now(), token: await fingerprint(), why })
        return why
      })
      .finally(() => asking.delete(key))
    asking.set(key, work)
    return work
  }

  return {
    /** Where a session finds the base of its plan; null for one that it can fetch by itself. @throws AppError `unavailable` */
    async order(sessionId: string, plan: Planned): Promise<BaseOrder | null> {
      const wanted = gatedBase(plan)
      if (!wanted) return null
      try {
        return await withToken(wanted, async (token) => {
          const { large, small } = await look(wanted, token)
          const found = await ways.downloads(sessionId, small)
          const files = small.map((file, index) => orderEntry(file, found[index]))
          const signed = await Promise.all(
            large.map(async (file) => {
              const url = await hub.address(token, wanted.id, wanted.revision, file.name)
              return orderEntry(file, { url, headers: {} })
            }),
          )
          return { ...wanted, files: [...files, ...signed] }
        })
      } catch (error) {
        // A session that has begun is told why: it ends with that sentence, and the run waits with it.
        if (error instanceof AppError && isRefusal(error)) {
          const [at, token, why] = [clock.now(), await fingerprint(), error.message]
          said.set(keyOf(wanted), { at, token, why })
          return { ...wanted, files: [], refused: error.message }
        }
        throw error
      }
    },
    /**
     * Why no session of this plan could have its base, in a sentence; null when one could, or needs nothing from here.
     * @param waitMs how long the hub's answer is waited for
     */
    async trouble(plan: Planned, waitMs: number = tickMs): Promise<string | null> {
      const wanted = gatedBase(plan)
      if (!wanted) return null
      const waiting = new AbortController()
      const late = clock
        .sleep(waitMs, waiting.signal)
        .then(() => `its base ${wanted.id} is being looked up at the hub`)
      try {
        return await Promise.race([trouble(wanted), late])
      } catch (error) {
        return `its base cannot be had now: ${messageOf(error)}`
      } finally {
        waiting.abort()
      }
    },
  }
}

export type BaseDesk = ReturnType<typeof baseDesk>

/** What only a person can change; anything else is tried again. */
const isRefusal = ({ kind }: AppError): boolean => kind !== 'unavailable' && kind !== 'disk-full'

/** The base of a plan, where sessions cannot fetch it by themselves. */
function gatedBase({ base, revision }: Planned): WantedBase | undefined {
  if (typeof base !== 'string' || typeof revision !== 'string') return undefined
  return baseNamed(base)?.gated ? { id: base, revision } : undefined
}
