import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Manifest } from '../artifacts/checkpoint.ts'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import { AdapterFacts, AdapterFile, AdapterFiles } from '../notebooks/adapter.ts'

/** An adapter's manifest, believed as far as its own hash goes. */
export interface ReadAdapter {
  readonly sha256: string // of manifest.json
  readonly facts: AdapterFacts
}

const refusal = (message: string): AppError =>
  new AppError('invalid', message, {
    code: 'adapter_refused',
    next: 'Name the artifact of a finished run of the engine trl, as its session has left it',
  })

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause
    throw new AppError('not-found', `cannot read ${path}: ${messageOf(cause)}`, {
      next: 'Look at the path',
      cause,
    })
  }
}

function parsed(text: Buffer, path: string): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw refusal(`${path} is no JSON`)
  }
}

function manifestIn(path: string): { manifest: Manifest; adapter: ReadAdapter } {
  const text = bytesOf(path)
  const read = Manifest.safeParse(parsed(text, path))
  if (!read.success) {
    const [issue] = read.error.issues
    throw refusal(`${path} is no manifest: ${issue?.path.join('.')} ${issue?.message}`)
  }
  const manifest = read.data
  if (manifest.kind !== 'artifact' || manifest.engine === 'dry') {
    throw refusal(
      `${path} is of a ${manifest.kind} of the engine ${manifest.engine}, and no adapter`,
    )
  }
  const { base, revision, quantization, loraRank } = manifest.plan
  const { run, step } = manifest
  const facts = AdapterFacts.safeParse({ run, step, base, revision, quantization, loraRank })
  if (!facts.success) {
    throw refusal(`the plan in ${path} does not say ${facts.error.issues[0]?.path.join('.')}`)
  }
  return { manifest, adapter: { sha256: sha256Hex(text), facts: facts.data } }
}

/**
 * What a manifest.json says of its adapter.
 * @throws AppError `not-found`, or `invalid` (`adapter_refused`) that says what is wrong with it
 */
export const readManifestFile = (path: string): ReadAdapter => manifestIn(path).adapter

/**
 * The adapter in a folder of this machine, every file of it hashed.
 * @throws AppError `not-found`, or `invalid` (`adapter_refused`) that names the file
 */
export function readAdapterFolder(folder: string): ReadAdapter {
  const { manifest, adapter } = manifestIn(join(folder, 'manifest.json'))
  for (const { name, sha256 } of manifest.files) {
    if (sha256Hex(bytesOf(join(folder, name))) !== sha256) {
      throw refusal(`${join(folder, name)} is damaged: it is not what the manifest says`)
    }
  }
  return adapter
}

/**
 * A list of an adapter's files with their addresses, as JSON in a file.
 * @throws AppError `not-found`, or `invalid` (`adapter_refused`) that names the field; no address is repeated
 */
export const readAdapterFiles = (path: string): AdapterFiles =>
  readFiles(
    path,
    AdapterFiles,
    'adapter_refused',
    'list of {"name", "url", "bytes", "sha256"}, manifest.json among them',
  )

/**
 * The one file of conversations with its address, as a JSON list in a file.
 * @throws AppError `not-found`, or `invalid` (`data_refused`) that names the field; no address is repeated
 */
export const readDataFiles = (path: string): AdapterFile[] =>
  readFiles(
    path,
    z.array(AdapterFile).length(1),
    'data_refused',
    'list of one {"name", "url", "bytes", "sha256"}',
  )

function readFiles<T>(path: string, kind: z.ZodType<T>, code: string, form: string): T {
  const read = kind.safeParse(parsed(bytesOf(path), path))
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new AppError(
    'invalid',
    `${path}: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`,
    { code, next: `It is a JSON ${form}` },
  )
}
