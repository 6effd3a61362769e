/** What is known of a key's file at a store that names files by ids of its own. */
export interface IndexedFile {
  readonly key: string
  readonly fileId: string
  /** The client that made it; another one does not see it. */
  readonly clientId: string
  readonly bytes: number
  readonly sha256: string
  /** `opened` while it may still be on its way. */
  readonly state: 'opened' | 'whole'
}

/** Keys and the ids of their files, kept in the database: listing the store is only for recovery. */
export interface FileIndex {
  get(key: string): Promise<IndexedFile | undefined>
  put(file: IndexedFile): Promise<void>
  below(prefix: string): Promise<IndexedFile[]>
  /** Gives a file another key, as whole; what the key named before is forgotten. One transaction. */
  promote(from: string, to: string): Promise<void>
  remove(key: string): Promise<void>
  /** Every file, with the time of its last change here. */
  all(): Promise<(IndexedFile & { readonly writtenAt: Date })[]>
}
