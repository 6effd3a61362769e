import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { adapterBook } from '../../src/control/adapter-book.ts'
import { hubAccess } from '../../src/control/hub-access.ts'
import { type PublishingPorts, publishing } from '../../src/control/publishing.ts'
import type { HubEmulatorOptions } from '../../src/emulators/hub/options.ts'
import { hubClient } from '../../src/providers/hub/client.ts'
import { hubRepositories } from '../../src/providers/hub/repositories.ts'
import { sendSigned } from '../../src/providers/publish/send-signed.ts'
import { adapterRows } from '../../src/store/adapter-book.ts'
import { text } from '../../src/store/database.ts'
import { folderArtifacts } from '../../src/store/folder-artifacts.ts'
import { hubTokenRows } from '../../src/store/hub-token-rows.ts'
import { publicationRows } from '../../src/store/publication-rows.ts'
import { publishFolder } from '../../src/store/publish-folder.ts'
import { reads } from '../../src/store/reads.ts'
import { loraTensors, safetensors, type TinyAdapter, tinyAdapter } from '../artifacts/tiny-lora.ts'
import { freshHub } from '../emulators/hub-fixture.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase, start } from '../store/fixture.ts'
import { insertDatasetVersion, leaveAdapter } from '../store/left-adapter.ts'

export const writer = 'hf_writer'
export const users: NonNullable<HubEmulatorOptions['users']> = {
  [writer]: { name: 'ana', accepted: [], role: 'write' },
  hf_reader: { name: 'ana', accepted: [], role: 'read' },
  hf_narrow: { name: 'ana', accepted: [], role: 'fineGrained', writes: ['ana/other'] },
}

/** Weights that the hub keeps apart, by their name, and a tokenizer that is too large to go with a commit. */
export const houseAdapter = (mark: number, files: Readonly<Record<string, Buffer>> = {}) =>
  tinyAdapter(`v${mark}`, {
    mark,
    files: {
      'adapter_model.safetensors': safetensors(loraTensors(4, 512), mark),
      'tokenizer.json': Buffer.alloc(1_200_000, `tokens ${mark}`),
      ...files,
    },
  })

/** Publications over a real database, a store in a folder, and an emulated hub; a line `house` with what is left to it. */
export async function publishWorld(options: Partial<HubEmulatorOptions> = {}) {
  const fresh = await freshDatabase()
  const { db } = fresh
  const clock = settableClock(start)
  const now = () => clock.now()
  const emulator = await freshHub(
    { users, largeBytes: 10_000_000, repositories: [], ...options },
    {},
    clock,
  )
  const root = join(fresh.folder, 'store')
  const artifacts = folderArtifacts(root)
  const look = reads(db)
  const rows = adapterRows(db, now)
  const publications = publicationRows(db, now)
  const address = { baseUrl: emulator.url, timeoutMs: 5000 }
  const tokens = hubTokenRows(db, Buffer.alloc(32, 7), now)
  const access = hubAccess({
    hubUrl: emulator.url,
    rows: tokens,
    whoIs: hubClient(address).whoIs,
  })
  const ports: PublishingPorts = {
    rows: publications,
    find: rows.find,
    book: adapterBook(look.artifactWith, artifacts),
    artifacts,
    access,
    hub: hubRepositories(address),
    put: { folder: publishFolder({ artifacts, dataDir: fresh.folder }), drive: undefined },
    now,
  }
  const desk = publishing(ports)
  await insertDatasetVersion(db, 'ds_one', 'split', now())

  /** A run of the line leaves this adapter, judged so that it is promoted; each is better than the one before. */
  let left = 0
  async function leave(adapter: TinyAdapter, label = 'candidate'): Promise<number> {
    left += 1
    const name = left === 1 ? 'house' : `house-${left}`
    const folder = join(root, `runs/run_${name}/artifacts/${label}-g1`)
    mkdirSync(folder, { recursive: true })
    for (const [file, bytes] of adapter.files) writeFileSync(join(folder, file), bytes)
    writeFileSync(join(folder, 'manifest.json'), adapter.manifest)
    const before = left === 1 ? {} : { from: await newestHash(), fromLoss: 2 - (left - 1) / 10 }
    const { manifestSha256 } = adapter
    await leaveAdapter(db, name, now(), { loss: 2 - left / 10, label, manifestSha256, ...before })
    return left
  }
  const newestHash = async () =>
    text(
      (await db.first('select manifest_sha256 from adapters order by number desc limit 1')) ?? {},
      'manifest_sha256',
    )

  /** Carries what a step has left to be carried. */
  async function carry(uploads: Parameters<typeof sendSigned>[0][], adapter: TinyAdapter) {
    for (const upload of uploads) {
      const bytes = adapter.files.get(upload.name) ?? Buffer.alloc(0)
      const source = async (from: number, to: number) => inOnePiece(bytes.subarray(from, to))
      await sendSigned(upload, source, { clock, sent: () => undefined })
    }
  }

  return {
    ...fresh,
    clock,
    emulator,
    access,
    tokens,
    artifacts,
    root,
    ports,
    desk,
    rows,
    publications,
    leave,
    carry,
    requests: (rpc: string) => emulator.admin.requests().filter((one) => one.rpc === rpc),
    events: async () => (await look.events(0, 50)).map(({ kind, data }) => ({ kind, ...data })),
    /** What the hub answers to somebody with the token. */
    get: async (path: string) => {
      const headers = { authorization: `Bearer ${writer}` }
      const answer = await fetch(emulator.url + path, { headers })
      return { status: answer.status, text: await answer.text() }
    },
    async [Symbol.asyncDispose]() {
      await emulator[Symbol.asyncDispose]()
      await fresh[Symbol.asyncDispose]()
    },
  }
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
