/** A file as a manifest names it: its name, size in bytes and SHA-256 in hex. */
export interface StoredFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/** Half-open range of bytes, as `Range: bytes=from-` asks for it. */
export interface ByteRange {
  readonly from: number
  /** One past the last byte. */
  readonly to: number
}

/**
 * Where checkpoints and artifacts live. Keys are paths with `/`, made by this service, never by a stranger.
 * A key holds a whole file or nothing, whatever happens while it is written.
 */
export interface ArtifactStore {
  readonly kind: 'folder' | 'drive' | 'hub'
  /**
   * Takes in one file; it stands under its key only when size and hash agree.
   * @throws AppError `invalid` (`hash_mismatch`) when they do not, `disk-full` (`disk_full`) when there is no room
   */
  receive(
    key: string,
    body: AsyncIterable<Uint8Array>,
    expected: Omit<StoredFile, 'name'>,
  ): Promise<void>
  /** Whether the whole file stands there, by size and hash: every byte is read. */
  verify(key: string, expected: Omit<StoredFile, 'name'>): Promise<boolean>
  /** The bytes of a file. @throws AppError `not-found` */
  read(key: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>
  /** Removes everything below a prefix; nothing there is no error. */
  remove(prefix: string): Promise<void>
  /** Names directly below a prefix, files and folders alike; empty when there is none. */
  list(prefix: string): Promise<string[]>
}
