import type { ArtifactStore, ByteRange, StoredFile } from '../artifacts/artifact-store.ts'
import { type Clock, secondsBetween } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { DataFile } from './work-order.ts'

export interface StoredDataPorts {
  readonly artifacts: Pick<ArtifactStore, 'verify'>
  /** Brings a file to the store, its bytes asked for again after a cut. */
  readonly bring: (
    key: string,
    source: (from: number) => AsyncIterable<Uint8Array>,
    expected: Omit<StoredFile, 'name'>,
  ) => Promise<void>
  readonly dataFiles: (version: string) => Promise<DataFile[]>
  readonly readData: (version: string, file: string, range: ByteRange) => AsyncIterable<Uint8Array>
  readonly clock: Clock
}

/** What failed is tried again after so long. */
const retrySeconds = 30

interface Carriage {
  sent: number
  total: number
  failed: { readonly why: string; readonly at: Date } | undefined
}

/** Brings data sets to the artifact store, for sessions that cannot fetch them from this service. */
export function storedData({ artifacts, bring, dataFiles, readData, clock }: StoredDataPorts) {
  const stored = new Set<string>()
  const under = new Map<string, Carriage>()

  async function carry(version: string, carriage: Carriage): Promise<void> {
    const files = await dataFiles(version)
    carriage.total = files.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { path, name, bytes, sha256 } of files) {
      const before = carriage.sent
      if (!(await artifacts.verify(path, { bytes, sha256 }))) {
        const source = (from: number) => {
          carriage.sent = before + from
          return counted(readData(version, name, { from, to: bytes }), carriage)
        }
        await bring(path, source, { bytes, sha256 })
      }
      carriage.sent = before + bytes
    }
  }

  return {
    /** Why this version cannot be fetched yet; null when it can. Begins to bring it where it is not. */
    async missing(version: string): Promise<string | null> {
      if (stored.has(version)) return null
      const known = under.get(version)
      if (known && !known.failed) {
        const share = known.total === 0 ? 0 : Math.floor((100 * known.sent) / known.total)
        return `its data is on the way to the store: ${share} %`
      }
      if (known?.failed && secondsBetween(known.failed.at, clock.now()) < retrySeconds) {
        return `its data could not be brought to the store: ${known.failed.why}`
      }
      const carriage: Carriage = { sent: 0, total: 0, failed: undefined }
      under.set(version, carriage)
      const work = carry(version, carriage).then(
        () => {
          stored.add(version)
          under.delete(version)
        },
        (error: unknown) => {
          carriage.failed = { why: messageOf(error), at: clock.now() }
        },
      )
      // What is there already, or small, need not wait for the next look.
      await Promise.race([work, clock.sleep(2000)])
      return stored.has(version) ? null : 'its data is on the way to the store'
    },
    /** A version that is removed from the store has to be brought again, should it ever come back. */
    forget(version: string): void {
      stored.delete(version)
    },
  }
}

async function* counted(
  body: AsyncIterable<Uint8Array>,
  carriage: Carriage,
): AsyncGenerator<Uint8Array> {
  for await (const part of body) {
    yield part
    carriage.sent += part.byteLength
  }
}

export type StoredData = ReturnType<typeof storedData>
