import { type Adapter, versionOf } from '../artifacts/adapter.ts'
import { cardOf } from '../artifacts/card.ts'
import {
  type Publication,
  refuseRehearsal,
  type SignedUpload,
  type Target,
  targetOf,
} from '../artifacts/publication.ts'
import { addSeconds } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { baseNamed } from '../notebooks/catalogue.ts'
import type { AdapterBook } from './adapter-book.ts'
import type { HubAccess } from './hub-access.ts'
import { type HubTargetPorts, type Publishable, publishToHub } from './publish-to-hub.ts'

/** How far a publication has come. */
export interface Noted {
  readonly state: Publication['state']
  readonly place?: string
  readonly code?: string
  readonly why?: string
  readonly next?: string | undefined
  readonly tries: number
  readonly lookAt: Date
  /** Left out: as before. What is less than before has come to the Hub. */
  readonly missingBytes?: number
}

export interface PublicationRows {
  /** Writes down that it shall be published there; one that is done stays so, an open one is looked at at once. */
  ask(adapter: Adapter, target: string): Promise<Publication>
  find(id: string): Promise<Publication | undefined>
  /** Open ones that are to be looked at by now, the longest waiting first. */
  due(at: Date): Promise<readonly Publication[]>
  of(which: number): Promise<readonly Publication[]>
  /** Open ones of what a session has left. */
  leftBy(runId: string, generation: number): Promise<readonly Publication[]>
  /** Whether the session that has left an adapter is still there to carry it. */
  isLive(runId: string, generation: number): Promise<boolean>
  publishTo(line: string): Promise<string | null>
  /** What the line serves is published there too. */
  setPublishTo(line: string, target: string | null): Promise<void>
  /** Notes it, with its event where a person is told; one that is done stays done. */
  note(before: Publication, noted: Noted): Promise<Publication>
  /** The sessions that a run was made of, oldest first. */
  sessionsOf(runId: string): Promise<Parameters<typeof cardOf>[0]['sessions']>
}

/** A place that takes files from this service: a folder, or the person's Drive. */
export type PutWhole = (what: Publishable, target: Target) => Promise<string>

export interface PublishingPorts extends HubTargetPorts {
  readonly rows: PublicationRows
  readonly find: (which: number) => Promise<Adapter | undefined>
  readonly book: Pick<AdapterBook, 'whole'>
  readonly access: Pick<HubAccess, 'token' | 'refused' | 'hubUrl'>
  /** Puts a version there whole, or not at all; says where it stands. Repeated it changes nothing. */
  readonly put: { readonly folder: PutWhole; readonly drive: PutWhole | undefined }
  readonly now: () => Date
}

/** A publication, and what somebody has to carry before it gets on. */
export interface Stepped {
  readonly publication: Publication
  readonly uploads: readonly SignedUpload[]
}

const longestPauseSeconds = 3600
const firstPauseSeconds = 30

/** Publishes adapters: intent first, then step by step, each looked at before it is done. */
export function publishing(ports: PublishingPorts) {
  const { rows, now } = ports
  /** One step of a publication at a time. */
  const turns = new Map<string, Promise<unknown>>()

  async function publishable(which: number): Promise<Publishable> {
    const adapter = await ports.find(which)
    if (!adapter) throw new AppError('not-found', `there is no adapter v${which}`)
    refuseRehearsal(adapter)
    const { prefix, manifest, text } = await ports.book.whole(adapter.manifestSha256)
    if (manifest.engine === 'dry') refuseRehearsal({ label: 'dry' })
    const sessions = await rows.sessionsOf(adapter.runId)
    const licence = baseNamed(String(manifest.plan.base ?? adapter.base))?.licence ?? null
    const card = (repository: string | null) =>
      cardOf({ adapter, manifest, licence, repository, sessions })
    return { adapter, prefix, manifest, manifestText: text, card }
  }

  async function withToken<T>(work: (token: string) => Promise<T>): Promise<T> {
    const kept = await ports.access.token()
    if (kept?.state !== 'good') {
      const why = kept ? 'the hub takes the stored token no longer' : 'no token is stored'
      throw new AppError('unauthorized', `nothing can be published to the hub: ${why}`, {
        code: kept ? 'hub_token_over' : 'hub_token_missing',
        next: `Make one that may write at ${ports.access.hubUrl}/settings/tokens, and give it with rodizio login hub`,
      })
    }
    try {
      return await work(kept.token)
    } catch (error) {
      if (error instanceof AppError && error.code === 'hub_token_over')
        await ports.access.refused(kept.token)
      throw error
    }
  }

  async function reach(publication: Publication): Promise<readonly SignedUpload[] | string> {
    const what = await publishable(publication.number)
    const target = targetOf(publication.target)
    if (target.kind === 'hub') {
      const id = target.repository
      const step = await withToken((token) => publishToHub(ports, token, id, what))
      return step.kind === 'bytes'
        ? step.uploads
        : `${ports.access.hubUrl}/${id}/tree/${versionOf(what.adapter)}`
    }
    const put = ports.put[target.kind]
    if (put) return await put(what, target)
    throw new AppError('invalid', 'no Google client is configured, and the target is drive', {
      code: 'google_client_missing',
      next: 'Set GOOGLE_CLIENT_FILE and sign in: rodizio login google',
    })
  }

  /** What has to be carried, and by whom, as it is shown. */
  async function waiting(
    { number: which }: Publication,
    uploads: readonly SignedUpload[],
    isCarried: boolean,
  ): Promise<Pick<Noted, 'state' | 'code' | 'why' | 'next' | 'missingBytes'>> {
    const adapter = await ports.find(which)
    const isLive = adapter && (await rows.isLive(adapter.runId, adapter.generation))
    const names = uploads.map(({ name, bytes }) => `${name} (${(bytes / 1e6).toFixed(1)} MB)`)
    const missingBytes = uploads.reduce((sum, { bytes }) => sum + bytes, 0)
    const next = `It is carried by: rodizio adapters publish v${which}`
    if (isCarried || isLive) {
      const why = `${names.join(', ')} has not arrived there yet`
      return { state: 'pending', code: 'bytes_missing', why, next, missingBytes }
    }
    const why = `the session that made it is over, and ${names.join(', ')} has not arrived there`
    return { state: 'blocked', code: 'no_carrier', why, next, missingBytes }
  }

  async function stepOnce(id: string, isCarried: boolean): Promise<Stepped> {
    const before = await rows.find(id)
    if (!before) throw new AppError('not-found', `there is no publication ${id}`)
    if (before.state === 'done') return { publication: before, uploads: [] }
    const tries = before.tries + 1
    const pause = Math.min(longestPauseSeconds, firstPauseSeconds * 2 ** Math.min(tries, 10))
    const after = (seconds: number) => addSeconds(now(), seconds)
    try {
      const reached = await reach(before)
      if (typeof reached === 'string') {
        const done = {
          state: 'done' as const,
          place: reached,
          tries,
          lookAt: now(),
          missingBytes: 0,
        }
        return { publication: await rows.note(before, done), uploads: [] }
      }
      const said = await waiting(before, reached, isCarried)
      const waits = { ...said, tries, lookAt: after(pause) }
      return { publication: await rows.note(before, waits), uploads: reached }
    } catch (error) {
      if (!(error instanceof AppError)) {
        // Ours to mend: it must not keep the others waiting meanwhile.
        const why = `something unexpected went wrong: ${messageOf(error)}`
        const lookAt = after(longestPauseSeconds)
        await rows.note(before, { state: 'pending', code: 'internal', why, tries, lookAt })
        throw error
      }
      const passes = error.kind === 'unavailable'
      const seconds = passes ? Math.max(pause, error.retryAfterSeconds ?? 0) : longestPauseSeconds
      const { code, message: why, next } = error
      const state = passes ? ('pending' as const) : ('blocked' as const)
      const noted = { state, code, why, next, tries, lookAt: after(seconds) }
      return { publication: await rows.note(before, noted), uploads: [] }
    }
  }

  /** @param isCarried whether whoever asks carries what has to be carried */
  async function step(id: string, isCarried = false): Promise<Stepped> {
    const mine = (turns.get(id) ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => stepOnce(id, isCarried))
    turns.set(id, mine)
    try {
      return await mine
    } finally {
      if (turns.get(id) === mine) turns.delete(id)
    }
  }

  return {
    step,
    of: rows.of,
    publishTo: rows.publishTo,
    /** @throws AppError `invalid` (`target_invalid`) */
    async setPublishTo(line: string, target: string | null): Promise<void> {
      if (target !== null) targetOf(target)
      await rows.setPublishTo(line, target)
    },
    /**
     * Writes down that an adapter shall be published, where its line is when no target is given, and takes it as far as it goes.
     * @throws AppError `invalid` (`target_invalid`, `target_missing`, `rehearsal`)
     */
    async publish(adapter: Adapter, given: string | undefined, isCarried = true): Promise<Stepped> {
      refuseRehearsal(adapter)
      const target = given ?? (await rows.publishTo(adapter.line))
      if (target === null) {
        throw new AppError('invalid', `the line ${adapter.line} is published nowhere`, {
          code: 'target_missing',
          next: `Name a place: rodizio adapters publish ${versionOf(adapter)} --to hub:OWNER/NAME`,
        })
      }
      targetOf(target)
      const asked = await rows.ask(adapter, target)
      return await step(asked.id, isCarried)
    },
    /** What the session that has left an adapter is to carry, to repositories of the Hub alone. */
    async forSession(runId: string, generation: number): Promise<readonly Stepped[]> {
      const open = await rows.leftBy(runId, generation)
      const hubs = open.filter(({ target }) => targetOf(target).kind === 'hub')
      const steps: Stepped[] = []
      for (const { id } of hubs) steps.push(await step(id, true))
      return steps
    },
    /** The card as it is published. */
    card: async ({ number }: Adapter): Promise<string> => (await publishable(number)).card(null),
    /** Takes on what is due. */
    async look(): Promise<void> {
      let failed: { readonly why: unknown } | undefined
      for (const { id } of await rows.due(now())) {
        try {
          await step(id)
        } catch (why) {
          failed ??= { why } // said below, once the others have had their turn
        }
      }
      if (failed) throw failed.why
    },
  }
}

export type Publishing = ReturnType<typeof publishing>
