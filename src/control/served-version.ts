import { type Adapter, versionOf } from '../artifacts/adapter.ts'
import type { ArtifactStore, ByteRange } from '../artifacts/artifact-store.ts'
import type { FileEntry } from '../artifacts/checkpoint.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { AdapterBook } from './adapter-book.ts'
import type { AdapterDesk } from './adapters.ts'
import type { DownloadWay } from './ways.ts'

/** What a box is to serve, and where its bytes are. */
export interface ServedVersion {
  readonly adapter: Adapter
  /** The manifest first. */
  readonly files: readonly (FileEntry & DownloadWay)[]
}

export interface ServedVersionPorts {
  readonly desk: AdapterDesk
  readonly book: AdapterBook
  readonly artifacts: ArtifactStore
  /** How a file of the store is fetched without this service; undefined where all bytes pass through it. */
  readonly direct: ((keys: readonly string[]) => Promise<readonly DownloadWay[]>) | undefined
  readonly clock: Clock
}

export interface AskedVersion {
  /** A line, or a run of it. */
  readonly run: string | undefined
  /** That one, whatever its line serves. */
  readonly version: string | undefined
  /** What the box has: only another one is news. */
  readonly after: string | undefined
  readonly waitSeconds: number
}

/** So often it is looked at whether a line has moved. */
const lookMs = 1000

/** What boxes pull. */
export function servedVersions({ desk, book, artifacts, direct, clock }: ServedVersionPorts) {
  const chosen = async ({ run, version }: AskedVersion): Promise<Adapter> => {
    if (version === undefined) return await desk.served(run)
    const adapter = await desk.must(version)
    if (adapter.state === 'promoted') return adapter
    throw new AppError(
      'conflict',
      `${version} is ${adapter.state}, and only promoted adapters are pulled`,
      {
        code: 'not_promoted',
        next: `Promote it first: rodizio adapters promote ${version}`,
      },
    )
  }
  const withFiles = async (adapter: Adapter): Promise<ServedVersion> => {
    const { prefix, files } = await book.files(adapter.manifestSha256)
    const keys = files.map(({ name }) => `${prefix}/${name}`)
    const ways = direct
      ? await direct(keys)
      : files.map(({ name }) => ({
          url: `/v1/adapters/${versionOf(adapter)}/files/${name}`,
          headers: {},
        }))
    return {
      adapter,
      files: files.map((file, index) => ({
        ...file,
        ...(ways[index] ?? { url: '', headers: {} }),
      })),
    }
  }
  return {
    /**
     * What is asked for; null when it is still `after` at the end of the wait.
     * @throws AppError `not-found` (`none_promoted`, `adapter_unknown`, `adapter_gone`), `invalid` (`line_unclear`),
     * `conflict` (`not_promoted`)
     */
    async resolve(asked: AskedVersion, signal?: AbortSignal): Promise<ServedVersion | null> {
      const until = clock.monotonicMs() + asked.waitSeconds * 1000
      for (;;) {
        const adapter = await chosen(asked)
        if (versionOf(adapter) !== asked.after) return await withFiles(adapter)
        const leftMs = until - clock.monotonicMs()
        if (leftMs <= 0 || signal?.aborted) return null
        await clock.sleep(Math.min(lookMs, leftMs), signal)
      }
    },
    /** Where the files of any version are, promoted or not, for who carries them on. @throws AppError `not-found` */
    files: async (adapter: Adapter) => (await withFiles(adapter)).files,
    /** A file of a version, for boxes that fetch it through this service. @throws AppError `not-found` */
    async file(
      version: string,
      name: string,
    ): Promise<FileEntry & { read(range: ByteRange): Promise<AsyncIterable<Uint8Array>> }> {
      const { manifestSha256 } = await desk.must(version)
      const { prefix, files } = await book.files(manifestSha256)
      const file = files.find((one) => one.name === name)
      if (file) return { ...file, read: (range) => artifacts.read(`${prefix}/${name}`, range) }
      throw new AppError(
        'not-found',
        `${version} has no file ${JSON.stringify(name.slice(0, 100))}`,
        {
          code: 'file_unknown',
        },
      )
    },
  }
}

export type ServedVersions = ReturnType<typeof servedVersions>
