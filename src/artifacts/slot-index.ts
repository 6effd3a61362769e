import type { ArtifactKind } from './checkpoint.ts'

/** One file that was opened for a sealed session before it began. */
export interface SlotFile {
  readonly sessionId: string
  readonly slot: number
  /** 0 is the manifest; the files stand in the manifest's order. */
  readonly position: number
  readonly kind: ArtifactKind
  readonly fileId: string
  readonly folderId: string
  /** The client that made it; another one does not see it. */
  readonly clientId: string
  readonly taken: boolean
}

/** Which files were opened for which session, kept in the database before anything is opened. */
export interface SlotIndex {
  put(files: readonly SlotFile[]): Promise<void>
  of(sessionId: string): Promise<SlotFile[]>
  markTaken(sessionId: string, slot: number): Promise<void>
  /** Sessions that have ended and still have rows here. */
  ended(): Promise<string[]>
  /** Forgets what this client opened; what another one did waits for that one. */
  forget(sessionId: string, clientId: string): Promise<void>
}
