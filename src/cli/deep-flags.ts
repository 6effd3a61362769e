import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { NodeChange } from '../api/node-schemas.ts'
import { bearerKey } from '../health/deep-check.ts'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { durationOf } from './flag-values.ts'

/** How a node is asked for tokens, as flags. */
export interface DeepFlags {
  /** False: no longer. */
  readonly deep?: boolean
  readonly deepUrl?: string
  readonly deepModel?: string
  readonly deepKeyFile?: string
  /** False: without a key. */
  readonly deepKey?: boolean
  readonly deepEvery?: string
}

export const deepOptions = (command: Command): Command =>
  command
    .option('--deep', 'ask it for one token now and then, and measure how soon it comes')
    .option('--deep-url <base>', "of its OpenAI-compatible interface; /v1 at the node's own origin")
    .option('--deep-model <name>', 'to ask for; the one that /health names when left out')
    .option('--deep-key-file <file>', 'whose one line is the key that goes with it')
    .option('--deep-every <time>', 'between two; 1h when left out, 10m at the least')

/**
 * What the flags say of deep probes; undefined where they say nothing.
 * @throws AppError `invalid` that names the flag, `not-found` for a key's file that is not there
 */
export function deepFlags(flags: DeepFlags): NodeChange['deep'] {
  const { deep, deepUrl, deepModel, deepKeyFile, deepKey, deepEvery } = flags
  const isKeyless = deepKey === false
  const said = {
    ...(deepUrl === undefined ? {} : { url: deepUrl }),
    ...(deepModel === undefined ? {} : { model: deepModel }),
    ...(deepEvery === undefined ? {} : { everySeconds: durationOf('--deep-every', deepEvery) }),
    ...(isKeyless ? { isKeyless: true } : {}),
    ...(deepKeyFile === undefined ? {} : { key: keyIn(deepKeyFile) }),
  }
  if (deepKeyFile !== undefined && isKeyless) {
    throw new AppError('invalid', '--deep-key-file and --no-deep-key exclude each other')
  }
  if (deep !== false) return deep || Object.keys(said).length > 0 ? said : undefined
  if (Object.keys(said).length === 0) return 'none'
  throw new AppError('invalid', '--no-deep leaves nothing for the other --deep flags to change', {
    next: 'Give --no-deep alone, or leave it out',
  })
}

/** @throws AppError that names the file and nothing of what it holds */
function keyIn(path: string): string {
  let key: string
  try {
    key = readFileSync(path, 'utf8').trim()
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause
    throw new AppError('not-found', `cannot read ${path}: ${messageOf(cause)}`, {
      next: 'Look at the path that --deep-key-file names',
      cause,
    })
  }
  if (bearerKey.test(key)) return key
  throw new AppError('invalid', `what ${path} holds is no key`, {
    next: 'One line of plain ASCII without spaces, 500 characters at the most',
  })
}
