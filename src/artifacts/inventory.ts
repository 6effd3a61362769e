/** A file that lies in a store, whether anybody knows of it or not. */
export interface FoundFile {
  /** What the store finds it by. */
  readonly id: string
  /** The key that it stands under, or was on its way to. */
  readonly key: string
  /** As far as it is there. */
  readonly bytes: number
  readonly writtenAt: Date
  /**
   * `whole` under its key; `part` of an upload, or `named-part` where only its name says so; `stray` when another file or none
   * stands for its key.
   */
  readonly state: 'whole' | 'part' | 'named-part' | 'stray'
}

/** All that lies in a store: what its keys lead to, and what they do not lead to any more. */
export interface Inventory {
  files(): AsyncIterable<FoundFile>
  /** For good; a file that has changed since it was found stays. */
  remove(file: FoundFile): Promise<void>
}
