import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import { artifactPrefix, type FileEntry } from '../artifacts/checkpoint.ts'
import { AppError } from '../lib/errors.ts'
import { AdapterFacts } from '../notebooks/adapter.ts'
import { listedFiles, listedManifest } from './listed-files.ts'

/** Where an adapter stands in the store, by what its manifest says. */
export interface AdapterRow {
  readonly runId: string
  readonly label: string
  readonly generation: number
}

/** Adapters that runs go on from, found by the hash of their manifests. */
export function adapterBook(
  find: (manifestSha256: string) => Promise<AdapterRow | undefined>,
  artifacts: ArtifactStore,
) {
  return {
    /** What the manifest of an adapter says of it; null when it is not there, or says something else. */
    async facts(sha256: string): Promise<AdapterFacts | null> {
      const row = await find(sha256)
      const prefix = row && artifactPrefix(row.runId, row.label, row.generation)
      const listed = prefix && (await listedManifest(artifacts, prefix, sha256))
      if (!listed) return null
      const { run, step, plan } = listed.manifest
      const { base, revision, quantization, loraRank } = plan
      const facts = { run, step, base, revision, quantization, loraRank }
      return AdapterFacts.safeParse(facts).data ?? null
    },
    /**
     * The folder of an adapter and its files, the manifest first; their bytes are looked at by who fetches them.
     * @throws AppError `not-found` (`adapter_gone`) when it is not in the store, or its manifest is not whole
     */
    async files(sha256: string): Promise<{ prefix: string; files: readonly FileEntry[] }> {
      const row = await find(sha256)
      const prefix = row && artifactPrefix(row.runId, row.label, row.generation)
      const files = prefix && (await listedFiles(artifacts, prefix, sha256))
      if (prefix && files) return { prefix, files }
      throw gone(sha256)
    },
    /** The folder of an adapter, and its manifest as it was committed. @throws AppError as `files` */
    async whole(sha256: string) {
      const row = await find(sha256)
      const prefix = row && artifactPrefix(row.runId, row.label, row.generation)
      const listed = prefix && (await listedManifest(artifacts, prefix, sha256))
      if (prefix && listed) return { prefix, manifest: listed.manifest, text: listed.text }
      throw gone(sha256)
    },
  }
}

const gone = (sha256: string): AppError =>
  new AppError('not-found', `the adapter ${sha256.slice(0, 12)} is not in the store`, {
    code: 'adapter_gone',
    next: 'Put it back, or begin another run without --from-adapter',
  })

export type AdapterBook = ReturnType<typeof adapterBook>
