import { createHash } from 'node:crypto'
import type { ByteRange } from '../artifacts/artifact-store.ts'
import { type FileEntry, Manifest } from '../artifacts/checkpoint.ts'
import { checkLora, LoraConfig, type LoraWeights } from '../artifacts/lora-shapes.ts'
import { joined } from '../artifacts/missing-ranges.ts'
import { safetensorsHeader } from '../artifacts/safetensors.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'

/** A version as its source offers it: what it must be to the byte, and how its files are fetched. */
export interface Offer {
  readonly version: string
  /** Of its manifest.json, which vouches for every other file. */
  readonly manifestSha256: string
  /** Its manifest.json. Throws AppError. */
  readonly manifest: () => Promise<string>
  /** Fetches what is missing of a file. Throws AppError; what has come stays. */
  readonly bring: (
    file: FileEntry,
    into: FileOnItsWay,
    signal: AbortSignal,
    came: (bytes: number) => void,
  ) => Promise<void>
}

export interface FileOnItsWay {
  readonly held: readonly ByteRange[]
  write(bytes: Uint8Array, at: number): Promise<void>
  hold(range: ByteRange): Promise<void>
}

/** The box's folder, as far as a pull needs it. */
export interface Versions {
  current(): Promise<string | null>
  sizes(version: string): Promise<ReadonlyMap<string, number> | null>
  tidy(version: string | null): Promise<void>
  makeRoom(version: string, bytes: number): Promise<void>
  open(
    version: string,
    name: string,
    bytes: number,
  ): Promise<FileOnItsWay & { close(): Promise<void> }>
  read(
    version: string,
    name: string,
    isFetched: boolean,
    range?: ByteRange,
  ): AsyncIterable<Uint8Array>
  /** SHA-256 in hex. */
  hash(version: string, name: string, isFetched: boolean): Promise<string>
  drop(version: string, name: string): Promise<void>
  place(version: string, now: Date): Promise<void>
}

export interface Progress {
  readonly version: string
  readonly bytes: number
  readonly done: number
}

/** What became of a pull before anything leads to the version. */
export interface Pulled {
  readonly version: string
  /** Bytes that had to come. */
  readonly fetched: number
  readonly weights: LoraWeights
}

const manifestName = 'manifest.json'
const configName = 'adapter_config.json'
const weightsName = 'adapter_model.safetensors'
/** Files that are on their way at once; each with ranges of its own. */
const filesAtOnce = 3

/**
 * Brings a version whole into the folder: fetched, every byte hashed, its weights' shapes held against its configuration; nothing is
 * unpickled or run. What is there already and whole is not fetched again; what is damaged begins anew, once.
 * @throws AppError `invalid` (`hash_mismatch`, `manifest_refused`, `adapter_shapes`, `safetensors_damaged`), `disk-full`, and whatever
 * fetching throws; nothing of a version that is not whole stands among the versions
 */
export async function pullVersion(
  folder: Versions,
  offer: Offer,
  { clock, progress }: { readonly clock: Clock; readonly progress?: (progress: Progress) => void },
): Promise<Pulled> {
  const { version } = offer
  const there = await wholeThere(folder, offer)
  if (there) return { version, fetched: 0, weights: await weightsOf(folder, version, false, there) }
  const text = await offer.manifest()
  const manifest = manifestOf(text, offer)
  await folder.tidy(version)
  const sizes = manifest.files.map(({ bytes }) => bytes)
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  let fetched = 0
  let done = 0
  const came = (more: number) => {
    done += more
    progress?.({ version, bytes, done })
  }
  await folder.makeRoom(version, 0)
  const held = await heldBytes(folder, version, manifest.files)
  await folder.makeRoom(version, bytes - held)
  came(held)
  const queue = manifest.files.toSorted((a, b) => b.bytes - a.bytes).values()
  const stop = new AbortController()
  let failed: { readonly why: unknown } | undefined
  const worker = async (): Promise<void> => {
    try {
      for (const file of queue) {
        if (stop.signal.aborted) return
        await fetchWhole(folder, offer, file, stop.signal, (more) => {
          fetched += more
          came(more)
        })
      }
    } catch (why) {
      failed ??= { why } // what the others throw follows from it
      stop.abort()
    }
  }
  // All have come to their end before this one does: nothing is written afterwards.
  await Promise.all(Array.from({ length: filesAtOnce }, worker))
  if (failed) throw failed.why
  const weights = await weightsOf(folder, version, true, manifest)
  await writeManifest(folder, version, text)
  await folder.place(version, clock.now())
  return { version, fetched, weights }
}

/** Every file against its hash: the manifest of a version that is there whole, null of any other. */
export async function wholeThere(
  folder: Versions,
  offer: Pick<Offer, 'version' | 'manifestSha256'>,
): Promise<Manifest | null> {
  const { version, manifestSha256 } = offer
  const sizes = await folder.sizes(version)
  if (!sizes?.has(manifestName)) return null
  const parts = await Array.fromAsync(folder.read(version, manifestName, false))
  const text = Buffer.concat(parts).toString('utf8')
  if (createHash('sha256').update(text).digest('hex') !== manifestSha256) return null
  const manifest = Manifest.parse(JSON.parse(text)) // its hash is the one that was asked for
  const { files } = manifest
  if (sizes.size !== files.length + 1) return null
  for (const { name, bytes, sha256 } of files) {
    if (sizes.get(name) !== bytes) return null
    if ((await folder.hash(version, name, false)) !== sha256) return null
  }
  return manifest
}

function manifestOf(text: string, { version, manifestSha256 }: Offer): Manifest {
  const refuse = (why: string) =>
    new AppError('invalid', `version ${version} is refused: ${why}`, {
      code: 'manifest_refused',
      next: 'Pull again; when it stays so, promote another version',
    })
  if (createHash('sha256').update(text).digest('hex') !== manifestSha256) {
    throw refuse('its manifest.json has another hash than was promised')
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw refuse('its manifest.json is no JSON')
  }
  const read = Manifest.safeParse(json)
  if (!read.success) {
    const [issue] = read.error.issues
    throw refuse(`its manifest.json is none: ${issue?.path.join('.')} ${issue?.message}`)
  }
  const manifest = read.data
  if (manifest.kind !== 'artifact' || manifest.engine === 'dry') {
    throw refuse(`it is a ${manifest.kind} of the engine ${manifest.engine}, and no adapter`)
  }
  const missing = [configName, weightsName].find(
    (wanted) => !manifest.files.some(({ name }) => name === wanted),
  )
  if (missing !== undefined) throw refuse(`its manifest.json lists no ${missing}`)
  return manifest
}

async function heldBytes(
  folder: Versions,
  version: string,
  files: readonly FileEntry[],
): Promise<number> {
  let held = 0
  for (const { name, bytes } of files) {
    const file = await folder.open(version, name, bytes)
    held += joined(file.held).reduce((sum, { from, to }) => sum + to - from, 0)
    await file.close()
  }
  return held
}

async function fetchWhole(
  folder: Versions,
  offer: Offer,
  file: FileEntry,
  signal: AbortSignal,
  came: (bytes: number) => void,
): Promise<void> {
  const { version } = offer
  for (let isSecond = false; ; isSecond = true) {
    const into = await folder.open(version, file.name, file.bytes)
    const hadSome = into.held.length > 0
    try {
      await offer.bring(file, into, signal, came)
    } finally {
      await into.close()
    }
    if ((await folder.hash(version, file.name, true)) === file.sha256) return
    await folder.drop(version, file.name)
    // What was left of an earlier pull may be what is wrong; what came whole just now is the source's own.
    if (isSecond || !hadSome) throw wrongHash(offer, file)
    came(-file.bytes)
  }
}

async function weightsOf(
  folder: Versions,
  version: string,
  isFetched: boolean,
  { files }: Manifest,
): Promise<LoraWeights> {
  const sizeOf = (wanted: string) => files.find(({ name }) => name === wanted)?.bytes ?? 0
  const read = async (name: string, from: number, bytes: number) =>
    Buffer.concat(
      await Array.fromAsync(folder.read(version, name, isFetched, { from, to: from + bytes })),
    )
  const text = (await read(configName, 0, sizeOf(configName))).toString('utf8')
  let config: LoraConfig
  try {
    config = LoraConfig.parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError('invalid', `${configName} of version ${version} is none of a LoRA adapter`, {
      code: 'adapter_shapes',
      next: 'Pull another version, or cut the adapter anew from its run',
      cause,
    })
  }
  const tensors = await safetensorsHeader(
    (from, bytes) => read(weightsName, from, bytes),
    sizeOf(weightsName),
    weightsName,
  )
  return checkLora(config, tensors)
}

async function writeManifest(folder: Versions, version: string, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  await folder.drop(version, manifestName)
  const file = await folder.open(version, manifestName, bytes.byteLength)
  try {
    await file.write(bytes, 0)
  } finally {
    await file.close()
  }
}

const wrongHash = ({ version }: Offer, { name }: FileEntry): AppError =>
  new AppError(
    'invalid',
    `${name} of version ${version} is damaged where it comes from: its hash is not the manifest's`,
    {
      code: 'hash_mismatch',
      next: 'Pull again; when it stays so, publish the version anew. What was serving stays',
    },
  )
