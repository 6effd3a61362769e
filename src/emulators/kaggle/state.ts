import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Preemption } from '../preemptions.ts'
import { type StateFile as Memory, nextId, openStateFile, rememberedByAll } from '../state-file.ts'

export const SessionState = z.enum([
  'QUEUED',
  'RUNNING',
  'COMPLETE',
  'ERROR',
  'CANCEL_ACKNOWLEDGED',
])
export type SessionState = z.infer<typeof SessionState>

/** One stay of a notebook version on an emulated machine. Times are virtual, UTC ISO 8601. */
const Session = z.object({
  id: z.number(),
  kernelId: z.number(),
  owner: z.string(),
  slug: z.string(),
  version: z.number(),
  gpu: z.boolean(),
  state: SessionState,
  failureMessage: z.string().nullable(),
  queuedAt: z.string(),
  dueAt: z.string(), // when it leaves the queue
  limitSeconds: z.number(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  pid: z.number().nullable(), // also its process group
  processStartedAt: z.string().nullable(), // the system's own word for when that process began
})
export type Session = z.infer<typeof Session>

const Kernel = z.object({
  id: z.number(),
  owner: z.string(),
  slug: z.string(),
  title: z.string(),
  language: z.string(),
  kernelType: z.string(),
  isPrivate: z.boolean(),
  enableGpu: z.boolean(),
  enableTpu: z.boolean(),
  enableInternet: z.boolean(),
  machineShape: z.string(),
  dockerImage: z.string(),
  datasetDataSources: z.array(z.string()),
  kernelDataSources: z.array(z.string()),
  competitionDataSources: z.array(z.string()),
  modelDataSources: z.array(z.string()),
  categoryIds: z.array(z.string()),
  currentVersionNumber: z.number(),
  lastRunTime: z.string().nullable(),
})
export type Kernel = z.infer<typeof Kernel>

const Blob = z.object({
  token: z.string(),
  owner: z.string(),
  name: z.string(),
  contentLength: z.number(),
  complete: z.boolean(),
})
export type Blob = z.infer<typeof Blob>

const Dataset = z.object({
  id: z.number(),
  owner: z.string(),
  slug: z.string(),
  title: z.string(),
  isPrivate: z.boolean(),
  versions: z.array(
    z.object({
      notes: z.string(),
      readyAt: z.string(),
      files: z.array(z.object({ name: z.string(), bytes: z.number(), token: z.string() })),
    }),
  ),
})
export type Dataset = z.infer<typeof Dataset>

const State = z.object({
  ...rememberedByAll,
  draws: z.number(), // how many numbers the seed has given
  lastId: z.number(),
  kernels: z.array(Kernel),
  sessions: z.array(Session),
  blobs: z.array(Blob),
  datasets: z.array(Dataset),
  preemptions: z.array(Preemption),
})
export type State = z.infer<typeof State>

const emptyState = (): State => ({
  format: 1,
  port: null,
  clockOffsetSeconds: 0,
  draws: 0,
  lastId: 0,
  kernels: [],
  sessions: [],
  blobs: [],
  datasets: [],
  preemptions: [],
})

/** The emulator's memory, and where things stand beside it. */
export interface StateFile extends Memory<State> {
  /** Forgets everything but the port, files included. */
  clear(): void
  nextId(): number
  /** The next number of the seed, from 0 up to 1. */
  draw(): number
  sourcePath(kernelId: number, version: number): string
  sessionDir(sessionId: number): string
  blobPath(token: string): string
}

/** Opens the memory in a folder. Throws `invalid` when what is there was not written by this emulator. */
export function openState(folder: string, seed: number): StateFile {
  const memory = openStateFile(folder, State, emptyState)
  return Object.assign(memory, {
    clear: () => {
      for (const name of ['sources', 'sessions', 'blobs'])
        rmSync(join(folder, name), { recursive: true, force: true })
      memory.state = { ...emptyState(), port: memory.state.port }
      memory.save()
    },
    nextId: () => nextId(memory),
    draw: () => {
      memory.state.draws += 1
      return mulberry32(seed, memory.state.draws)
    },
    sourcePath: (kernelId: number, version: number) =>
      join(folder, 'sources', `${kernelId}-v${version}.txt`),
    sessionDir: (sessionId: number) => join(folder, 'sessions', String(sessionId)),
    blobPath: (token: string) => join(folder, 'blobs', token),
  })
}

/** The n-th number of a seed. mulberry32, public domain: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number, n: number): number {
  let t = (seed + Math.imul(n, 0x6d2b79f5)) | 0
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
