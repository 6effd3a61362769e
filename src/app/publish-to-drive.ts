import { versionOf } from '../artifacts/adapter.ts'
import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import type { FileIndex } from '../artifacts/file-index.ts'
import type { PutWhole } from '../control/publishing.ts'
import { sha256Hex } from '../lib/random.ts'
import { driveArtifacts } from '../providers/google/drive-artifacts.ts'
import type { Google } from './google.ts'

/** Into a folder of its own on the person's Drive: copied there by Drive itself where the store is on it, else sent in pieces. */
export function publishToDrive(
  index: FileIndex,
  artifacts: Pick<ArtifactStore, 'kind' | 'read'>,
  google: Pick<Google, 'files' | 'folder'>,
): PutWhole {
  const drive = driveArtifacts(google.files, index)
  return async (what) => {
    const { adapter, prefix, manifest, manifestText } = what
    const line = adapter.line.replaceAll(/[^\w.-]/g, '_').replace(/^\.+/, '_')
    const place = `published/${line}/${versionOf(adapter)}`
    for (const { name, ...expected } of manifest.files) {
      const [from, to] = [`${prefix}/${name}`, `${place}/${name}`]
      if (await drive.store.verify(to, expected)) continue
      if (artifacts.kind === 'drive') await drive.copy(from, to, expected)
      else {
        const { bytes } = expected
        const source = (at: number) => inPieces(() => artifacts.read(from, { from: at, to: bytes }))
        await drive.bring(to, source, expected)
      }
    }
    // The manifest last: with it the version is there.
    const texts = { 'CARD.md': what.card(null), 'manifest.json': manifestText }
    for (const [name, text] of Object.entries(texts)) {
      const expected = { bytes: Buffer.byteLength(text), sha256: sha256Hex(text) }
      const to = `${place}/${name}`
      if (!(await drive.store.verify(to, expected)))
        await drive.store.receive(
          to,
          inPieces(async () => [Buffer.from(text)]),
          expected,
        )
    }
    return `Drive: ${google.folder}/${place}`
  }
}

async function* inPieces(
  open: () => Promise<AsyncIterable<Uint8Array> | Iterable<Uint8Array>>,
): AsyncGenerator<Uint8Array> {
  yield* await open()
}
