import { versionOf } from '../artifacts/adapter.ts'
import type { Config } from '../config/schema.ts'
import { type Publishing, type PutWhole, publishing } from '../control/publishing.ts'
import type { Clock } from '../lib/clock.ts'
import { sha256Hex } from '../lib/random.ts'
import { driveArtifacts } from '../providers/google/drive-artifacts.ts'
import { hubRepositories } from '../providers/hub/repositories.ts'
import { publishFolder } from '../store/publish-folder.ts'
import type { Artifacts } from './artifacts.ts'
import type { Google } from './google.ts'
import type { Hub } from './hub.ts'
import type { Storage } from './storage.ts'

/** How long the hub gets for an answer; a commit with its small files takes it longer than others. */
const hubTimeoutMs = 60_000

export interface PublishingOptions {
  readonly config: Config
  readonly clock: Clock
  readonly google: Google | undefined
}

/** Where adapters go beside the store, wired. */
export function openPublishing(
  storage: Storage,
  { artifacts, adapters }: Pick<Artifacts, 'artifacts' | 'adapters'>,
  { access }: Pick<Hub, 'access'>,
  { config, clock, google }: PublishingOptions,
): Publishing {
  const { publications, adapters: rows, folder } = storage
  return publishing({
    rows: publications,
    find: rows.find,
    book: adapters,
    artifacts,
    access,
    hub: hubRepositories({ baseUrl: config.RODIZIO_HUB_URL, timeoutMs: hubTimeoutMs }),
    put: {
      folder: publishFolder({ artifacts, dataDir: folder.root }),
      drive: google && toDrive(storage, artifacts, google),
    },
    now: () => clock.now(),
  })
}

/** Into a folder of its own on the person's Drive: copied there by Drive itself where the store is on it, else sent in pieces. */
function toDrive(storage: Storage, artifacts: Artifacts['artifacts'], google: Google): PutWhole {
  const drive = driveArtifacts(google.files, storage.fileIndex)
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
