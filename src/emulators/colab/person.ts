import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { addSeconds, iso } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { writeTextFile } from '../json-file.ts'
import { type Cargo, createMachines, type StayEnd } from '../machines.ts'
import type { PythonFor } from '../notebook-process.ts'
import type { Preemptions } from '../preemptions.ts'
import type { Allowance, Refusal } from './allowance.ts'
import type { ColabEmulatorOptions, ColabSettings } from './options.ts'
import type { Manner, Opened, OpenedState, StateFile } from './state.ts'

/** How often the person looks into Drive. */
const WATCH_MS = 500
/** How late somebody is who is late, when nobody said. */
const LATE_SECONDS = 3600

/** A link to a notebook: its text, or where in Drive it stands. */
export type NotebookLink =
  | { readonly name: string; readonly notebook: string }
  | { readonly name: string; readonly fileId: string }

export interface PersonOptions
  extends Pick<ColabEmulatorOptions, 'fetchNotebook' | 'listNotebooks'> {
  readonly file: StateFile
  readonly settings: ColabSettings
  readonly now: () => Date
  readonly pythonPath: string
  readonly pythonFor?: PythonFor
  readonly runnerPath: string
  readonly programs?: string
  readonly preemptions: Preemptions
  readonly allowance: Allowance
}

/**
 * Somebody who gets links to notebooks, opens each one after a while, or never, and presses *Run all*. The notebook is
 * fetched when it is opened, and really runs.
 */
export function createPerson(options: PersonOptions) {
  const { file, settings, now, pythonPath, runnerPath, preemptions, allowance } = options
  const live = (): Opened[] => file.state.sessions.filter(({ endedAt }) => endedAt === null)
  const fetching = new Set<number>()
  let stopped = false

  const open = async (session: Opened, fileId: string): Promise<void> => {
    const text = await options.fetchNotebook?.(fileId)
    if (stopped || session.endedAt !== null) return
    if (typeof text === 'string') writeTextFile(file.sourcePath(session.id), text)
    else {
      const message = `There is no notebook ${fileId} that this person may open.`
      machines.end(session, { kind: 'failed', message })
    }
  }

  const isDue = (session: Opened): boolean => {
    const { id, dueAt, fileId } = session
    if (dueAt === null || now() < new Date(dueAt)) return false
    if (existsSync(file.sourcePath(id))) return true
    if (fetching.has(id) || fileId === null) return false
    fetching.add(id)
    void open(session, fileId)
      .catch((error: unknown) => {
        const message = `The notebook could not be opened: ${messageOf(error)}`
        machines.end(session, { kind: 'failed', message })
      })
      .finally(() => fetching.delete(id))
    return false
  }

  const cargoOf = (session: Opened): Cargo => {
    const text = readFileSync(file.sourcePath(session.id), 'utf8')
    session.gpu = wantsGpu(text)
    // A notebook has one runtime, however often it is opened: it asks for no second machine.
    if (live().some((other) => other.slug === session.slug && other.startedAt !== null))
      return { kind: 'notebook', text, mounts: [] }
    const refusal = allowance.refusalOf(session.gpu ? 'T4' : 'NONE')
    return refusal === null
      ? { kind: 'notebook', text, mounts: [] }
      : { kind: 'broken', reason: SAID[refusal] }
  }

  const machines = createMachines<Opened>({
    now,
    clockOffsetSeconds: () => file.state.clockOffsetSeconds,
    pythonPath,
    pythonFor: options.pythonFor,
    runnerPath,
    environment: { COLAB_RELEASE_TAG: 'release-colab-emulated' },
    programs: options.programs,
    preemptions,
    live,
    isDue,
    dirOf: ({ id }) => file.sessionDir(id),
    cargoOf,
    started: (session) => {
      session.state = 'running'
    },
    ended: (session, end) => {
      const { state, message } = inWords(session, end)
      session.state = state
      session.message = message
    },
    save: file.save,
  })

  const nextManner = (): Manner => {
    const [first, ...rest] = file.state.manners
    if (rest.length > 0) file.state.manners = rest
    return first ?? { behaviour: 'prompt' }
  }

  const give = (link: NotebookLink): Opened => {
    const { behaviour, againSeconds, ...manner } = nextManner()
    if (behaviour === 'never') return press(link, null)
    const { delaySeconds = behaviour === 'late' ? LATE_SECONDS : 0 } = manner
    const first = press(link, delaySeconds)
    if (againSeconds !== undefined) press(link, delaySeconds + againSeconds)
    return first
  }

  /** One press of Run all, on a machine of its own; null for one that never comes. */
  const press = (link: NotebookLink, inSeconds: number | null): Opened => {
    const session: Opened = {
      id: file.nextId(),
      slug: link.name,
      fileId: 'fileId' in link ? link.fileId : null,
      gpu: false,
      state: 'waiting',
      message: null,
      linkAt: iso(now()),
      dueAt: inSeconds === null ? null : iso(addSeconds(now(), inSeconds)),
      limitSeconds: settings.sessionCapSeconds,
      startedAt: null,
      endedAt: null,
      pid: null,
      processStartedAt: null,
    }
    if ('notebook' in link) writeTextFile(file.sourcePath(session.id), link.notebook)
    file.state.sessions.push(session)
    file.save()
    return session
  }

  const watch = async (list: NonNullable<typeof options.listNotebooks>): Promise<void> => {
    const found = await list()
    if (stopped) return
    for (const link of found.filter(({ fileId }) => !file.state.seenFiles.includes(fileId))) {
      file.state.seenFiles.push(link.fileId)
      give(link)
    }
  }
  let watching = false
  const timer = setInterval(() => {
    if (watching || !options.listNotebooks) return
    watching = true
    void watch(options.listNotebooks)
      .catch(() => undefined) // Drive is out of order: the person looks again
      .finally(() => {
        watching = false
      })
  }, WATCH_MS)

  return {
    /** Gives the person a link; what they do with it is their manner's to say. */
    give,
    behave: (manners: readonly Manner[]): void => {
      file.state.manners = [...manners]
      file.save()
    },
    endAll: (message: string): void => {
      for (const session of live()) machines.end(session, { kind: 'failed', message })
    },
    /** Stops looking; what runs goes on. */
    stop: (): void => {
      stopped = true
      clearInterval(timer)
      machines.stop()
    },
  }
}

/** What the page says in place of a machine. The first two are the service's own words, as users quote them. */
const SAID: Readonly<Record<Refusal, string>> = {
  quota_denied: 'You cannot currently connect to a GPU due to usage limits in Colab.',
  quota_exceeded: 'You cannot currently connect to a GPU due to usage limits in Colab.',
  denylisted: 'This account has been blocked from accessing Colab runtimes.',
  too_many: 'Too many sessions: end one of those that are active.',
  no_capacity: 'Cannot connect to a GPU backend: none is free.',
  not_entitled: 'This account cannot use that kind of machine.',
}

function inWords(session: Opened, end: StayEnd): { state: OpenedState; message: string | null } {
  switch (end.kind) {
    case 'done':
      return { state: 'finished', message: null }
    case 'failed':
      return { state: 'failed', message: end.message }
    case 'limit': {
      const message = `Your runtime has been disconnected: it ran for ${session.limitSeconds} seconds.`
      return { state: 'disconnected', message }
    }
    case 'lost':
      return { state: 'disconnected', message: 'Your runtime has been disconnected.' }
  }
}

const Wants = z.object({ metadata: z.object({ accelerator: z.string() }) })

/** Whether a notebook says that it wants a GPU, in the field where Colab keeps that. */
function wantsGpu(text: string): boolean {
  try {
    const wants = Wants.safeParse(JSON.parse(text))
    return wants.success && wants.data.metadata.accelerator === 'GPU'
  } catch {
    return false // not a notebook: its run will say so
  }
}
