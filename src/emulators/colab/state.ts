import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Preemption } from '../preemptions.ts'
import { type StateFile as Memory, nextId, openStateFile, rememberedByAll } from '../state-file.ts'
import { Accelerators } from './options.ts'

/** A machine that the command line asked for. Times are virtual, UTC ISO 8601. */
const Runtime = z.object({
  id: z.number(),
  user: z.string(),
  notebookHash: z.string(),
  accelerator: z.enum(Accelerators),
  variant: z.number(), // 0 none, 1 GPU, 2 TPU
  highMemory: z.boolean(),
  endpoint: z.string(),
  proxyToken: z.string(), // lets a client in
  jupyterToken: z.string(), // lets us in: no client ever has it
  jupyterPort: z.number(),
  assignedAt: z.string(),
  activeAt: z.string(), // when a kernel was last seen busy
  endedAt: z.string().nullable(),
  reason: z.string().nullable(), // why it ended
  pid: z.number(), // also its process group
  processStartedAt: z.string().nullable(), // the system's own word for when that process began
})
export type Runtime = z.infer<typeof Runtime>

/** `disconnected`: the machine was taken back in mid-work, by its limit or by order. */
export const OpenedState = z.enum(['waiting', 'running', 'finished', 'failed', 'disconnected'])
export type OpenedState = z.infer<typeof OpenedState>

/** A notebook whose link a person was given. Times are virtual, UTC ISO 8601. */
const Opened = z.object({
  id: z.number(),
  slug: z.string(), // the notebook's name
  fileId: z.string().nullable(), // null where the text itself came with the link
  gpu: z.boolean(),
  state: OpenedState,
  message: z.string().nullable(),
  linkAt: z.string(),
  dueAt: z.string().nullable(), // when the person presses Run all; null: never
  limitSeconds: z.number(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  pid: z.number().nullable(),
  processStartedAt: z.string().nullable(),
})
export type Opened = z.infer<typeof Opened>

export const Manner = z.object({
  /** `prompt` presses Run all after `delaySeconds` (0), `late` after `delaySeconds` (an hour), `never` does not come. */
  behaviour: z.enum(['prompt', 'late', 'never']),
  delaySeconds: z.number().min(0).optional(),
  /** Starts the runtime again so long after the first time and presses Run all; the process before is not ended by it. */
  againSeconds: z.number().min(0).optional(),
})
export type Manner = z.infer<typeof Manner>

const State = z.object({
  ...rememberedByAll,
  lastId: z.number(),
  runtimes: z.array(Runtime),
  sessions: z.array(Opened),
  preemptions: z.array(Preemption),
  manners: z.array(Manner), // one for each link to come; the last one stays
  seenFiles: z.array(z.string()),
})
export type State = z.infer<typeof State>

const emptyState = (): State => ({
  format: 1,
  port: null,
  clockOffsetSeconds: 0,
  lastId: 0,
  runtimes: [],
  sessions: [],
  preemptions: [],
  manners: [{ behaviour: 'prompt' }],
  seenFiles: [],
})

/** The emulator's memory, and where things stand beside it. */
export interface StateFile extends Memory<State> {
  /** Forgets everything but the port and the files that were seen, folders included. */
  clear(): void
  nextId(): number
  runtimeDir(id: number): string
  sessionDir(id: number): string
  /** The notebook of an opened link, as it was when the person opened it. */
  sourcePath(id: number): string
}

/** Opens the memory in a folder. Throws `invalid` when what is there was not written by this emulator. */
export function openState(folder: string): StateFile {
  const memory = openStateFile(folder, State, emptyState)
  return Object.assign(memory, {
    clear: () => {
      for (const name of ['runtimes', 'sessions', 'sources'])
        rmSync(join(folder, name), { recursive: true, force: true })
      const { port, seenFiles } = memory.state
      memory.state = { ...emptyState(), port, seenFiles }
      memory.save()
    },
    nextId: () => nextId(memory),
    runtimeDir: (id: number) => join(folder, 'runtimes', String(id)),
    sessionDir: (id: number) => join(folder, 'sessions', String(id)),
    sourcePath: (id: number) => join(folder, 'sources', `${id}.ipynb`),
  })
}
