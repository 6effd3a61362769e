import { AppError } from '../lib/errors.ts'
import { isHeldOut, readConversation } from './conversation.ts'
import { lines } from './lines.ts'

export interface Reject {
  /** Counted from 1, as editors do. */
  readonly line: number
  readonly reason: string
  /** The line itself; of one over the cap, its beginning. */
  readonly text: string
}

/** One of the two files of a version. */
export interface SplitFile {
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
}

/** A content-addressed, immutable version of a data set. */
export interface DatasetVersion {
  readonly version: string
  readonly train: SplitFile
  readonly validation: SplitFile
}

/** Where an import writes: staged until `keep`, gone after `drop`. */
export interface Staging {
  add(split: 'train' | 'validation', line: string): Promise<void>
  reject(reject: Reject): Promise<void>
  /** Makes the version stand under its name in one step; the same content twice is the same version. */
  keep(): Promise<DatasetVersion>
  /** Takes everything back; the rejects stay when there are any. */
  drop(): Promise<void>
  /** Where the rejects can be read, null when there are none. */
  readonly rejectsPath: string | null
}

export interface ImportResult {
  readonly version: DatasetVersion
  readonly rejected: number
  /** The first twenty, for the message. */
  readonly rejects: readonly Reject[]
  readonly rejectsPath: string | null
}

const shownRejects = 20
const utf8 = new TextDecoder('utf-8', { fatal: true })
const lenient = new TextDecoder('utf-8')

/**
 * Imports chat JSONL from a stream, in memory that does not grow with its size. Bad lines are set aside with number and reason.
 * @param strict with a single bad line nothing is imported
 * @throws AppError `invalid`: `dataset_empty` without any good line, `dataset_rejected` when strict; nothing is left behind
 */
export async function importDataset(
  body: AsyncIterable<Uint8Array>,
  staging: Staging,
  strict: boolean,
): Promise<ImportResult> {
  const rejects: Reject[] = []
  let rejected = 0
  let accepted = 0
  const setAside = async (reject: Reject) => {
    rejected += 1
    if (rejects.length < shownRejects) rejects.push(reject)
    await staging.reject(reject)
  }
  try {
    for await (const line of lines(body)) {
      if (line.kind === 'too-long') {
        const reason = `the line has ${line.size} bytes, more than the cap of 1 MB`
        await setAside({ line: line.number, reason, text: lenient.decode(line.head) })
        continue
      }
      const text = decode(line.bytes)
      const reading =
        text === undefined
          ? ({ kind: 'bad', reason: 'not UTF-8' } as const)
          : readConversation(text)
      if (reading.kind === 'bad') {
        const shown = text ?? lenient.decode(line.bytes)
        await setAside({ line: line.number, reason: reading.reason, text: shown })
        continue
      }
      accepted += 1
      const { conversation } = reading
      await staging.add(isHeldOut(conversation) ? 'validation' : 'train', conversation.line)
    }
    if (strict && rejected > 0) throw strictRefusal(rejected, rejects)
    if (accepted === 0) throw nothingGood(rejected, rejects)
    const version = await staging.keep()
    return { version, rejected, rejects, rejectsPath: staging.rejectsPath }
  } catch (error) {
    await staging.drop()
    throw error
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined // the one thing a fatal decoder throws for: bytes that are no UTF-8
  }
}

const firstOf = (rejects: readonly Reject[]): string =>
  rejects.length ? ` (line ${rejects[0]?.line}: ${rejects[0]?.reason})` : ''

const strictRefusal = (rejected: number, rejects: readonly Reject[]) =>
  new AppError('invalid', `${rejected} bad lines, and --strict allows none${firstOf(rejects)}`, {
    code: 'dataset_rejected',
    next: 'Mend the lines, or import without --strict to set them aside; nothing was imported',
  })

const nothingGood = (rejected: number, rejects: readonly Reject[]) =>
  new AppError(
    'invalid',
    rejected === 0
      ? 'the file is empty: it has no conversation'
      : `none of the ${rejected} lines is a conversation${firstOf(rejects)}`,
    {
      code: 'dataset_empty',
      next: 'Expected one JSON object a line: {"messages": [{"role": "user", …}, {"role": "assistant", …}]}',
    },
  )
