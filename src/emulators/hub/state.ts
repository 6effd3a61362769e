import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type StateFile as Memory, openStateFile, rememberedByAll } from '../state-file.ts'

/** A file as a commit has it; its bytes lie under their SHA-256 beside the state. */
const CommittedFile = z.object({
  name: z.string(),
  bytes: z.number(),
  oid: z.string(), // git's own name for it, or for the pointer that stands in its place
  largeOid: z.string().nullable(),
  sha256: z.string(),
})
export type CommittedFile = z.infer<typeof CommittedFile>

const Commit = z.object({
  oid: z.string(),
  title: z.string(),
  description: z.string(),
  at: z.string(),
  by: z.string(),
  files: z.array(CommittedFile),
})
export type Commit = z.infer<typeof Commit>

/** A repository that was made here by a call. */
const Model = z.object({
  id: z.string(),
  isPrivate: z.boolean(),
  commits: z.array(Commit), // oldest first; the last one is main
  tags: z.array(z.object({ name: z.string(), commit: z.string() })),
  objects: z.array(z.string()), // large files that have arrived for it, committed or not
})
export type Model = z.infer<typeof Model>

const State = z.object({
  ...rememberedByAll,
  signingKey: z.string(),
  accepted: z.array(z.object({ user: z.string(), id: z.string() })), // beside what the settings say
  revoked: z.array(z.string()), // hashes of tokens
  models: z.array(Model).default([]),
})
export type State = z.infer<typeof State>

const emptyState = (): State => ({
  format: 1,
  port: null,
  clockOffsetSeconds: 0,
  signingKey: randomBytes(32).toString('hex'),
  accepted: [],
  revoked: [],
  models: [],
})

export interface StateFile extends Memory<State> {
  /** Forgets everything but the port: addresses that were signed before are worth nothing. */
  clear(): void
}

/** Opens the memory in a folder. Throws `invalid` when what is there was not written by this emulator. */
export function openState(folder: string): StateFile {
  const memory = openStateFile<State>(folder, State as z.ZodType<State>, emptyState)
  memory.save()
  return Object.assign(memory, {
    clear: () => {
      memory.state = { ...emptyState(), port: memory.state.port }
      memory.save()
      for (const name of ['objects', 'parts']) {
        rmSync(join(folder, name), { recursive: true, force: true })
      }
    },
  })
}
