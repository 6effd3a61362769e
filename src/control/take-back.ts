import {
  checkpointPrefix,
  type FileEntry,
  Manifest,
  readManifest,
} from '../artifacts/checkpoint.ts'
import type { FoundFile, Inventory } from '../artifacts/inventory.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import type { Run } from '../rotation/run.ts'

/** A checkpoint that the store holds and the books do not. */
export interface TakenBack {
  readonly runId: string
  readonly step: number
  readonly generation: number
  readonly manifestSha256: string
  readonly bytes: number
  readonly metrics: Readonly<Record<string, unknown>>
}

export interface TakeBackPorts {
  /** Whether a restore has left this to be done. */
  readonly isWanted: () => Promise<boolean>
  /** From here on it is not looked for any more. */
  readonly done: () => Promise<void>
  readonly openRuns: () => Promise<readonly Run[]>
  /** Checkpoints of a run that the books know, whatever became of them, by `<step>-g<generation>`. */
  readonly known: (runId: string) => Promise<ReadonlySet<string>>
  readonly inventory: Inventory
  /** The bytes of a file of the store, whether its key leads to it or not. */
  readonly read: (file: FoundFile) => Promise<AsyncIterable<Uint8Array>>
  /** Makes a file its key's own when it is what is expected; false when it is not. */
  readonly take: (file: FoundFile, expected: Omit<FileEntry, 'name'>) => Promise<boolean>
  /** From here on it exists again; false where the run has no session that it could be of. */
  readonly insert: (checkpoint: TakenBack) => Promise<boolean>
  /** Told of one that is not taken. */
  readonly trouble: (error: unknown) => void
}

/** The furthest is what a run goes on from, the one before it what is used when that turns out damaged. */
const mostOfRun = 2
/** A manifest is small: more than this is none. */
const mostManifestBytes = 4 * 1024 * 1024

const manifestKey = /^runs\/([^/]+)\/checkpoints\/(\d+)-g(\d+)\/manifest\.json$/

/**
 * After a restore: takes back what runs had committed between the backup and the loss, as far as the store still holds it. A
 * manifest stands in the store only when it was accepted while its generation was the run's; each file is held against it.
 * Done again after a crash, it changes nothing.
 * @returns how many were taken back
 */
export async function takeBack(ports: TakeBackPorts): Promise<number> {
  if (!(await ports.isWanted())) return 0
  const runs = new Map((await ports.openRuns()).map((run) => [run.id, run]))
  const folders = await foldersOf(ports.inventory, runs)
  let taken = 0
  for (const run of runs.values()) {
    const known = await ports.known(run.id)
    const found = [...folders.values()]
      .filter(
        ({ runId, step, generation }) => runId === run.id && !known.has(`${step}-g${generation}`),
      )
      .toSorted((a, b) => b.step - a.step || b.generation - a.generation)
    let ofRun = 0
    for (const folder of found) {
      if (ofRun >= mostOfRun) break
      if (await takeOne(ports, run, folder)) ofRun += 1
    }
    taken += ofRun
  }
  await ports.done()
  return taken
}

interface Folder {
  readonly runId: string
  readonly step: number
  readonly generation: number
  readonly files: Map<string, FoundFile[]>
}

/** Folders of checkpoints of these runs that hold a manifest. */
async function foldersOf(
  inventory: Inventory,
  runs: ReadonlyMap<string, Run>,
): Promise<ReadonlyMap<string, Folder>> {
  const folders = new Map<string, Folder>()
  const names = new Map<string, Map<string, FoundFile[]>>()
  for await (const file of inventory.files()) {
    const [top, runId = '', kind, folder = '', name = ''] = file.key.split('/')
    if (top !== 'runs' || kind !== 'checkpoints' || !runs.has(runId)) continue
    if (file.state !== 'whole' && file.state !== 'stray') continue
    const prefix = `runs/${runId}/checkpoints/${folder}`
    const files = names.get(prefix) ?? new Map<string, FoundFile[]>()
    names.set(prefix, files)
    files.set(name, [...(files.get(name) ?? []), file])
    const [, , step, generation] = manifestKey.exec(file.key) ?? []
    if (step !== undefined)
      folders.set(prefix, { runId, step: Number(step), generation: Number(generation), files })
  }
  return folders
}

async function takeOne(ports: TakeBackPorts, run: Run, folder: Folder): Promise<boolean> {
  const prefix = checkpointPrefix(run.id, folder.step, folder.generation)
  try {
    const [manifestFile] = folder.files.get('manifest.json') ?? []
    if (!manifestFile) return false
    const text = await textOf(ports, manifestFile)
    const sha256 = sha256Hex(text)
    const { session, files, metrics } = Manifest.parse(JSON.parse(text))
    const { step, generation } = folder
    readManifest(text, sha256, {
      kind: 'checkpoint',
      runId: run.id,
      sessionId: session,
      generation,
      step,
      plan: run.plan,
      files,
    })
    if (step > run.targetSteps) throw new Error(`step ${step} lies beyond the run's end`)
    for (const file of files) {
      const candidates = folder.files.get(file.name) ?? []
      if (!(await takeFirst(ports, candidates, file))) throw new Error(`${file.name} is not whole`)
    }
    const manifest = { bytes: Buffer.byteLength(text), sha256 }
    if (!(await ports.take(manifestFile, manifest))) throw new Error('its manifest has changed')
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    return await ports.insert({
      runId: run.id,
      step,
      generation,
      manifestSha256: sha256,
      bytes,
      metrics,
    })
  } catch (cause) {
    // A store that cannot be asked now is asked again; anything else is no checkpoint.
    if (cause instanceof AppError && cause.kind !== 'invalid' && cause.kind !== 'not-found')
      throw cause
    ports.trouble(
      new AppError('invalid', `${prefix} is not taken back: ${messageOf(cause)}`, { cause }),
    )
    return false
  }
}

async function takeFirst(
  ports: TakeBackPorts,
  candidates: readonly FoundFile[],
  file: FileEntry,
): Promise<boolean> {
  for (const one of candidates) if (await ports.take(one, file)) return true
  return false
}

async function textOf(ports: TakeBackPorts, file: FoundFile): Promise<string> {
  if (file.bytes > mostManifestBytes) throw new Error('its manifest is far too long')
  const parts: Uint8Array[] = []
  for await (const part of await ports.read(file)) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}
