import { AppError } from '../lib/errors.ts'
import type { Adapter } from './adapter.ts'

/** Where adapters are put beside the store: a repository of the Hub, the person's Drive, a folder of the service's machine. */
export type Target =
  | { readonly kind: 'hub'; readonly repository: string } // owner/name
  | { readonly kind: 'drive' }
  | { readonly kind: 'folder'; readonly path: string }

/** An adapter on its way to a target, or there. */
export interface Publication {
  readonly id: string
  readonly number: number
  readonly target: string
  /** `blocked`: a person has to mend something; it is tried all the same, once an hour. */
  readonly state: 'pending' | 'blocked' | 'done'
  /** Where it stands, for a person; null before that. */
  readonly place: string | null
  readonly code: string | null
  readonly why: string | null
  readonly next: string | null
  readonly tries: number
  /** Bytes that somebody has to carry yet, as far as is known. */
  readonly missingBytes: number
  readonly lookAt: Date
  readonly askedAt: Date
  readonly doneAt: Date | null
}

/** A file as a store of someone else's takes it: to one address whole, or in parts that are then said to be all. */
export interface SignedUpload {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
  /** Where the bytes go by PUT; with `parts`, what is told by POST that all have gone. */
  readonly href: string
  /** That go along, and no others. */
  readonly headers: Readonly<Record<string, string>>
  /** One address for each part, in their order; null where it goes whole. */
  readonly parts: { readonly partBytes: number; readonly hrefs: readonly string[] } | null
}

/** @throws AppError `invalid` (`target_invalid`) for what is no place to publish to */
export function targetOf(text: string): Target {
  if (text === 'drive') return { kind: 'drive' }
  const [, repository] = /^hub:([A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95})$/.exec(text) ?? []
  if (repository !== undefined && !/\.\.|--|\.git$/.test(repository))
    return { kind: 'hub', repository }
  const [, path] = /^folder:(\/[^\0]{0,1000})$/.exec(text) ?? []
  if (path !== undefined && !path.split('/').includes('..')) return { kind: 'folder', path }
  throw new AppError('invalid', `${JSON.stringify(text.slice(0, 100))} is no place to publish to`, {
    code: 'target_invalid',
    next: 'For example: hub:ana/house, drive or folder:/srv/adapters',
  })
}

/** @throws AppError `invalid` (`rehearsal`): what the engine `dry` leaves is no adapter */
export function refuseRehearsal({ label }: Pick<Adapter, 'label'>): void {
  if (label !== 'dry') return
  throw new AppError('invalid', 'the engine dry rehearses, and makes no adapter to publish', {
    code: 'rehearsal',
  })
}
