import type { ArtifactKind, FileEntry } from './checkpoint.ts'

/** A place for one checkpoint or artifact, opened before the session began. */
export interface Slot {
  readonly sessionId: string
  readonly number: number
  readonly kind: ArtifactKind
  /** Whether what it held belongs to a checkpoint by now. */
  readonly taken: boolean
}

/** Addresses that are opened before a session begins, and what came to them. */
export interface Slots {
  /**
   * Opens so many slots for checkpoints and one for the artifact, each with an address for the manifest and for so many files.
   * Asked again for a session, it opens the same slots at fresh addresses: what a launch stores that was thought lost counts.
   * @throws AppError `conflict` (`session_stores`) when something has come to them already
   */
  open(
    session: { readonly id: string; readonly runId: string; readonly generation: number },
    wanted: { readonly checkpoints: number; readonly files: number },
  ): Promise<{ readonly kind: ArtifactKind; readonly urls: readonly string[] }[]>
  of(sessionId: string): Promise<Slot[]>
  /** The manifest that came to a slot; undefined while there is none, empty for one that is too large to be read. */
  manifest(slot: Slot): Promise<string | undefined>
  /**
   * Puts what came to a slot where the store keeps it, below a prefix. Repeated, it changes nothing.
   * False when a file is not there as the manifest says it.
   */
  settle(
    slot: Slot,
    prefix: string,
    files: readonly FileEntry[],
    manifest: Omit<FileEntry, 'name'>,
  ): Promise<boolean>
  markTaken(slot: Slot): Promise<void>
  /** Gives up what sessions that have ended left behind: nothing more can come to their addresses. */
  sweep(): Promise<void>
}
