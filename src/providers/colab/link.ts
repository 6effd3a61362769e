import { AppError, messageOf } from '../../lib/errors.ts'
import { unreachableFrom } from '../../rotation/reach.ts'
import type {
  LaunchOrder,
  LaunchResult,
  Observed,
  SessionProvider,
} from '../../rotation/session-provider.ts'

/** The part of Drive that carries notebooks to a person. */
export interface NotebookShelf {
  /** Id of the notebook of that session; undefined when there is none. */
  find(sessionName: string): Promise<string | undefined>
  /** Puts a notebook there and gives its id. */
  put(sessionName: string, notebook: string): Promise<string>
}

export interface ColabLinkOptions {
  /** @throws AppError when nobody is signed in at Google */
  readonly shelf: () => Promise<NotebookShelf>
  /** Where notebooks of Drive are opened, `https://colab.research.google.com`. */
  readonly colabUrl: () => string
  readonly now: () => Date
  /** False while sessions could not reach this service: then nothing is offered. */
  readonly reachable: () => boolean
}

const minute = 60

/**
 * Colab by a link: the notebook is put on Drive, and a person opens it and presses *Run all*. Nothing is automated beyond
 * that: the free plan forbids it (Colab FAQ). Whether a session runs is known only by its heartbeats.
 */
export function colabLink({ shelf, colabUrl, now, reachable }: ColabLinkOptions): SessionProvider {
  const linkOf = (id: string) => `${colabUrl().replace(/\/+$/, '')}/drive/${encodeURIComponent(id)}`
  const refused = (reason: string, minutes: number): LaunchResult => ({
    kind: 'refused',
    reason,
    retryAt: new Date(now().getTime() + minutes * minute * 1000),
  })

  async function launch({ name, notebook }: LaunchOrder): Promise<LaunchResult> {
    if (!reachable()) {
      return refused(unreachableFrom('Colab'), 60)
    }
    try {
      return { kind: 'awaits-person', link: linkOf(await (await shelf()).put(name, notebook)) }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return refused(error.message, 5)
    }
  }

  async function observe(_account: unknown, name: string): Promise<Observed> {
    try {
      const id = await (await shelf()).find(name)
      return id === undefined ? { kind: 'absent' } : { kind: 'queued', handle: linkOf(id) }
    } catch (error) {
      return { kind: 'unknown', reason: messageOf(error) }
    }
  }

  return {
    name: 'colab',
    // Listings of Drive lag behind what was just put there.
    appearsWithinSeconds: 60,
    tells: () => false,
    sealed: () => false, // nobody could follow it: Colab shows its log to nobody else
    launch,
    observe,
    kill: async () => false,
    askToStop: async () => undefined,
    logTail: async () => '',
    quota: async () => null,
  }
}
