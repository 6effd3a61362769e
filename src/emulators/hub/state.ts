import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type StateFile as Memory, openStateFile, rememberedByAll } from '../state-file.ts'

const State = z.object({
  ...rememberedByAll,
  signingKey: z.string(),
  accepted: z.array(z.object({ user: z.string(), id: z.string() })), // beside what the settings say
  revoked: z.array(z.string()), // hashes of tokens
})
export type State = z.infer<typeof State>

const emptyState = (): State => ({
  format: 1,
  port: null,
  clockOffsetSeconds: 0,
  signingKey: randomBytes(32).toString('hex'),
  accepted: [],
  revoked: [],
})

export interface StateFile extends Memory<State> {
  /** Forgets everything but the port: addresses that were signed before are worth nothing. */
  clear(): void
}

/** Opens the memory in a folder. Throws `invalid` when what is there was not written by this emulator. */
export function openState(folder: string): StateFile {
  const memory = openStateFile(folder, State, emptyState)
  memory.save()
  return Object.assign(memory, {
    clear: () => {
      memory.state = { ...emptyState(), port: memory.state.port }
      memory.save()
    },
  })
}
