import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import { type Checkpoint, checkpointPrefix, type FileEntry } from '../artifacts/checkpoint.ts'
import { prunable } from '../artifacts/retention.ts'
import { listedFiles } from './listed-files.ts'

/** What is remembered of checkpoints besides their bytes. */
export interface CheckpointRows {
  /** Committed ones, furthest first; of one step the newest generation first. */
  committed(runId: string): Promise<Checkpoint[]>
  all(runId: string): Promise<Checkpoint[]>
  mark(checkpoint: Checkpoint, state: 'pruned' | 'damaged'): Promise<void>
  /** Ids of runs that have any checkpoint. */
  runs(): Promise<string[]>
  /** Whether an upload of that folder may still be going on. */
  isOpen(runId: string, step: number, generation: number): Promise<boolean>
}

/** Checkpoints as rows and bytes together: which are whole, which may go. */
export function checkpointBook(rows: CheckpointRows, artifacts: ArtifactStore) {
  const prefixOf = ({ runId, step, generation }: Checkpoint) =>
    checkpointPrefix(runId, step, generation)

  /** All files of a checkpoint as its manifest lists them, itself first; undefined when that is not whole. */
  const listed = (checkpoint: Checkpoint) =>
    listedFiles(artifacts, prefixOf(checkpoint), checkpoint.manifestSha256)

  /** All files of a checkpoint, its manifest first, each verified byte by byte; undefined when one is not whole. */
  async function wholeFiles(checkpoint: Checkpoint): Promise<FileEntry[] | undefined> {
    const all = await listed(checkpoint)
    const [, ...files] = all ?? []
    for (const file of files) {
      if (!(await artifacts.verify(`${prefixOf(checkpoint)}/${file.name}`, file))) return undefined
    }
    return all
  }

  return {
    committed: (runId: string) => rows.committed(runId),
    all: (runId: string) => rows.all(runId),
    listedFiles: listed,
    wholeFiles,
    markDamaged: (checkpoint: Checkpoint) => rows.mark(checkpoint, 'damaged'),
    /** Lets old checkpoints of a run go, rows first: bytes that a crash leaves behind are swept at the next start. */
    async prune(runId: string): Promise<void> {
      for (const checkpoint of prunable(await rows.committed(runId))) {
        await rows.mark(checkpoint, 'pruned')
        await artifacts.remove(prefixOf(checkpoint))
      }
    },
    /** Lets go of all but the newest checkpoint of a run, for a store that is full; says how many went. */
    async makeRoom(runId: string): Promise<number> {
      const [, ...older] = await rows.committed(runId)
      for (const checkpoint of older) {
        await rows.mark(checkpoint, 'pruned')
        await artifacts.remove(prefixOf(checkpoint))
      }
      return older.length
    },
    /** Removes folders that no committed checkpoint and no open upload owns. */
    async sweep(): Promise<void> {
      for (const runId of await rows.runs()) {
        const kept = new Set((await rows.committed(runId)).map((c) => `${c.step}-g${c.generation}`))
        for (const name of await artifacts.list(`runs/${runId}/checkpoints`)) {
          const [, step, generation] = /^(\d+)-g(\d+)$/.exec(name) ?? []
          if (kept.has(name) || step === undefined || generation === undefined) continue
          if (await rows.isOpen(runId, Number(step), Number(generation))) continue
          await artifacts.remove(`runs/${runId}/checkpoints/${name}`)
        }
      }
    },
  }
}

export type CheckpointBook = ReturnType<typeof checkpointBook>
