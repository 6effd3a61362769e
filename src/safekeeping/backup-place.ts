/** A file of a backup on its way to its place; its bytes can be asked for again. */
export interface StagedFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
  readonly from: (start: number) => AsyncIterable<Uint8Array>
}

/** Where backups lie. One is there whole or not at all: its manifest comes last, and goes first. */
export interface BackupPlace {
  /** As a person names it: `folder:/path`, `drive`. */
  readonly shown: string
  /** A folder on the same disk, in which a backup is made so that it only has to be renamed; null where it has to be sent. */
  readonly folder: string | null
  /** Names of whole backups, newest first. */
  names(): Promise<readonly string[]>
  /** @throws AppError `not-found` (`backup_unknown`, `backup_incomplete`) */
  read(name: string, file: string): Promise<AsyncIterable<Uint8Array>>
  /** Takes in what was made in `staged`: a folder whose files these are, the manifest last among them. */
  keep(name: string, staged: string, files: readonly StagedFile[]): Promise<void>
  /** What is not there is no error. */
  remove(name: string): Promise<void>
}
