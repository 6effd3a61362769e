import { AppError } from '../lib/errors.ts'

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

/** A file as a work order names it. @throws AppError `internal` when no way was found for it */
export function orderEntry({ name, bytes, sha256 }: Omit<Carried, 'path'>, way?: DownloadWay) {
  if (!way) throw new AppError('internal', `no way was found for ${name}`)
  const { url, headers } = way
  const own = Object.keys(headers).length > 0 ? { headers } : {}
  return { name, url, ...own, bytes, sha256 }
}
