/** A file to be carried between a session and the store. */
export interface Carried {
  /** Where it stands: `store/…` for the artifact store, `data/…` for the data sets. */
  readonly path: string
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/** How a session sends one file: to this address, whole by PUT, or in chunks that can be taken up again after a cut. */
export interface UploadWay {
  readonly url: string
  readonly how: 'put' | 'resumable'
}

/** How a session fetches one file: from this address, with these headers. */
export interface DownloadWay {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * How bytes travel between a session and a store: through this service by one-time URLs, or directly. The answers stand in the
 * order of the files.
 */
export interface Ways {
  uploads(sessionId: string, files: readonly Carried[]): Promise<UploadWay[]>
  downloads(sessionId: string, files: readonly Carried[]): Promise<DownloadWay[]>
}
