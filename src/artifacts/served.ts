import type { StoredFile } from './artifact-store.ts'

/** A version that is to be served, as a control plane or the Hub says it. */
export interface Served {
  readonly version: string
  readonly line: string
  readonly run: string
  readonly manifestSha256: string
  /** The manifest among them. Addresses that begin with `/` are the control plane's own. */
  readonly files: readonly (StoredFile & {
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
  })[]
}
