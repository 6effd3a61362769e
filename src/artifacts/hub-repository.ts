import type { SignedUpload } from './publication.ts'

/** What a commit changes: small files by their bytes, large ones by what was sent before, and names that go. */
export interface NewCommit {
  readonly title: string
  readonly description: string
  /** The commit that main has to be still. */
  readonly parent: string
  readonly small: readonly { readonly path: string; readonly content: Uint8Array }[]
  readonly large: readonly {
    readonly path: string
    readonly bytes: number
    readonly sha256: string
  }[]
  readonly gone: readonly string[]
}

/** Where a repository stands. */
export interface HubRefs {
  readonly main: string
  /** Commits by the names of tags. */
  readonly tags: ReadonlyMap<string, string>
}

/** A file of a repository at one commit. */
export interface RepositoryFile {
  readonly name: string
  readonly bytes: number
  readonly oid: string
  /** SHA-256 of one that is stored apart; null for the others. */
  readonly sha256: string | null
}

/** Repositories of the Hub as somebody who may write sees them. No call takes or gives the bytes of a large file. */
export interface HubRepositories {
  /** Null where there is no such repository for whose token this is. */
  refs(token: string, id: string): Promise<HubRefs | null>
  /** Makes a private one; one that is there stays as it is. */
  create(token: string, id: string): Promise<void>
  /** Commits of main with their titles, newest first, the last few hundred. */
  history(token: string, id: string): Promise<readonly { id: string; title: string }[]>
  files(token: string, id: string, revision: string): Promise<readonly RepositoryFile[]>
  bytes(
    token: string,
    id: string,
    revision: string,
    name: string,
    most: number,
  ): Promise<Uint8Array>
  /** Which of these the hub wants apart, `large`, and which it wants not at all. */
  sorted(
    token: string,
    id: string,
    files: readonly {
      readonly path: string
      readonly bytes: number
      readonly sample: Uint8Array
    }[],
  ): Promise<ReadonlyMap<string, 'small' | 'large' | 'ignored'>>
  /** How those of these objects are sent that the hub does not have. */
  missing(
    token: string,
    id: string,
    objects: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[],
  ): Promise<readonly SignedUpload[]>
  /** The new commit. @throws AppError `conflict` (`hub_moved`) where main has moved on */
  commit(token: string, id: string, commit: NewCommit): Promise<string>
  /** @throws AppError `conflict` (`hub_there_already`) for a name that is taken */
  tag(token: string, id: string, commit: string, name: string): Promise<void>
}
