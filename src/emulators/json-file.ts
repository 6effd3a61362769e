import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError, systemCode } from '../lib/errors.ts'

/** Replaces a JSON file in one step: a reader, or a kill in between, finds the old text or the new one. */
export const writeJsonFile = (path: string, value: unknown): void =>
  writeTextFile(path, JSON.stringify(value))

/** The same for any text. Only its owner may read it. */
export function writeTextFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  const next = `${path}.next`
  writeFileSync(next, text, { mode: 0o600 })
  renameSync(next, path)
}

/** The parsed file, or undefined when there is none. Throws `invalid` when it is not JSON. */
export function readJsonFile(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid', `${path} is not JSON`, {
      cause,
      next: 'Remove that file: the emulator then starts from nothing',
    })
  }
}
