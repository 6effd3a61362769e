import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { readJsonFile, writeJsonFile } from './json-file.ts'

/** What every emulator remembers. */
export const rememberedByAll = {
  format: z.literal(1),
  port: z.number().nullable(), // the one it had the last time
  clockOffsetSeconds: z.number(),
}

export interface Remembered {
  port: number | null
  clockOffsetSeconds: number
}

/** An emulator's memory: plain data, written to disk after each change by whoever made it. */
export interface StateFile<State extends Remembered = Remembered> {
  state: State
  save(): void
}

/** Opens the memory in a folder, or begins one. Throws `invalid` when what is there was not written by this emulator. */
export function openStateFile<State extends Remembered>(
  folder: string,
  schema: z.ZodType<State>,
  empty: () => State,
): StateFile<State> {
  const path = join(folder, 'state.json')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = {
    state: load(path, schema) ?? empty(),
    save: () => writeJsonFile(path, file.state),
  }
  return file
}

/** The next number that nothing in a memory has yet. */
export function nextId({ state }: { readonly state: { lastId: number } }): number {
  state.lastId += 1
  return state.lastId
}

function load<State>(path: string, schema: z.ZodType<State>): State | undefined {
  const found = readJsonFile(path)
  if (found === undefined) return undefined
  const parsed = schema.safeParse(found)
  if (parsed.success) return parsed.data
  throw new AppError('invalid', `${path} was not written by this version of the emulator`, {
    cause: parsed.error,
    next: 'Remove that file: the emulator then starts from nothing',
  })
}
