import { adapterBook } from '../../src/control/adapter-book.ts'
import { checkpointBook } from '../../src/control/checkpoint-book.ts'
import { sealedDesk } from '../../src/control/sealed-desk.ts'
import { startGoogleEmulator } from '../../src/emulators/google/server.ts'
import { AppError } from '../../src/lib/errors.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { driveClient } from '../../src/providers/google/drive.ts'
import { driveArtifacts } from '../../src/providers/google/drive-artifacts.ts'
import { driveFiles } from '../../src/providers/google/drive-files.ts'
import { driveSlots } from '../../src/providers/google/drive-slots.ts'
import { defaultOptions, type RunOptions } from '../../src/rotation/run.ts'
import { tick } from '../../src/rotation/tick.ts'
import type { TickPorts } from '../../src/rotation/tick-ports.ts'
import { checkpointRows } from '../../src/store/checkpoint-rows.ts'
import { fileIndexRows } from '../../src/store/file-index-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { sessionGate } from '../../src/store/session-gate.ts'
import { slotRows } from '../../src/store/slot-rows.ts'
import type { Script } from '../rotation/scripted-provider.ts'
import { tickWorld } from '../rotation/tick-world.ts'
import { accountOf, runOf } from '../store/fixture.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import type { Dying } from './dying.ts'

export const data = Buffer.from('{"messages": []}\n')

/** An order as a notebook reads it. */
export interface SealedOrder {
  readonly secondsLeft: number
  readonly session: { readonly id: string; readonly generation: number }
  readonly data: { readonly files: readonly { url: string; headers: Record<string, string> }[] }
  readonly resume: null | { readonly step: number; readonly files: readonly FetchedFile[] }
  readonly slots: readonly { readonly kind: string; readonly urls: readonly string[] }[]
}
interface FetchedFile {
  readonly name: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly sha256: string
}

/** Sealed sessions over a real database, an emulated Drive and a scripted provider, on a clock that stands still. */
export async function sealedWorld(options: Partial<RunOptions> = {}, script: Script[] = []) {
  const run = runOf('one', {
    options: { ...defaultOptions, sessionSeconds: 1800, saveSeconds: 1800, ...options },
  })
  const accounts = [accountOf('ana'), accountOf('bia')]
  const base = await tickWorld({ accounts, runs: [run], script })
  base.kaggle.sealed = true
  const { db, clock } = base
  const now = () => clock.now()
  const folder = temporaryFolder()
  const emulator = await startGoogleEmulator({ stateDir: folder.path, clock })
  const google = { clientId: 'mine', isSignedOut: false }
  const missing: number[] = []
  let granted: { clientId: string; token: string; expiresAt: Date } | undefined
  const tokens = {
    async get() {
      if (google.isSignedOut) {
        throw new AppError('unavailable', 'signed out', { code: 'store_signed_out' })
      }
      const { clientId } = google
      if (!granted || granted.clientId !== clientId || granted.expiresAt <= now()) {
        const expiresAt = new Date(now().getTime() + 3_000_000)
        granted = { clientId, token: emulator.admin.grant({ clientId }).accessToken, expiresAt }
      }
      return granted
    },
    forget: () => {
      granted = undefined
    },
  }

  /** Everything that a process builds when it starts, over the same database and the same Drive. */
  function started(process?: Dying) {
    const rows = process ? process.over(db) : db
    const rootUrl = emulator.url
    const client = driveClient({ rootUrl, tokens, timeoutMs: 5000, clock })
    const { clientId } = google
    const files = driveFiles({
      client: process ? process.over(client) : client,
      clientId,
      folder: 'Rodizio',
      rootUrl,
      tokens,
      clock,
    })
    const index = fileIndexRows(rows, now)
    const { store, ways, bring, inventory } = driveArtifacts(async () => files, index)
    const gate = sessionGate(rows, now)
    const slots = driveSlots(async () => files, index, slotRows(rows, now))
    const checkpoints = checkpointBook(checkpointRows(rows, now), store)
    const desk = sealedDesk({
      gate,
      checkpoints,
      adapters: adapterBook(reads(rows).artifactWith, store),
      bases: { order: async () => null },
      artifacts: store,
      ways,
      dataWays: ways,
      dataFiles: async (version) => [
        {
          name: 'train.jsonl',
          path: `data/${version}/train.jsonl`,
          rows: 1,
          bytes: data.length,
          sha256: sha256Hex(data),
        },
      ],
      full: (bytes) => missing.push(bytes),
      slots,
      now,
      trouble: (error) => base.troubles.push(error),
    })
    const ports: TickPorts = {
      ...base.portsOver(base.store, base.provider),
      sealed: desk,
      renderNotebook: (ofRun, session) => desk.order(ofRun, session),
    }
    return { rows, store, bring, inventory, slots, checkpoints, desk, gate, ports }
  }

  let current = started()
  await current.store.receive('data/ds_one/train.jsonl', inOnePiece(data), {
    bytes: data.length,
    sha256: sha256Hex(data),
  })

  const session = async (generation?: number) => {
    const all = await base.sessions()
    const found = all.find((one) => one.generation === generation) ?? all.at(-1)
    if (!found) throw new Error('no session')
    return found
  }
  const account = accounts[0] ?? accountOf('ana')
  const seen = () => emulator.admin.state().files
  let said = 0

  return {
    ...base,
    emulator,
    google,
    missing,
    started,
    session,
    account,
    now: () => current,
    restart: () => {
      current = started()
    },
    tick: () => tick(current.ports),
    follow: async () => current.desk.follow(await session(), account, base.provider),
    /** The order that the last launch of a session brought along. */
    async order(generation?: number): Promise<SealedOrder> {
      return JSON.parse(base.kaggle.ticketOf((await session(generation)).name))
    },
    /** What its log says more. */
    async say(...lines: object[]) {
      const { name } = await session()
      const told = lines.map((line) => {
        said += 1
        return `RODIZIO_SEALED ${JSON.stringify({ n: said, filled: [], ...line })}\n`
      })
      base.kaggle.logs.set(name, (base.kaggle.logs.get(name) ?? '') + told.join(''))
    },
    committed: async () =>
      (await current.checkpoints.committed('run_one')).map(({ step }) => step).toSorted(byValue),
    /** Names of the files that hold bytes below the run's folder on Drive, with the folders they are in. */
    stored: () => {
      const files = seen()
      const pathOf = (id: string | undefined): string => {
        const found = files.find((file) => file.id === id)
        return found ? `${pathOf(found.parents[0])}/${found.name}` : ''
      }
      const below = '/Rodizio/runs/run_one/'
      return files
        .map((file) => ({ ...file, path: pathOf(file.id) }))
        .filter(({ path }) => path.startsWith(below))
        .map(({ path, bytes }) => ({ path: path.slice(below.length), bytes }))
    },
    async [Symbol.asyncDispose]() {
      await emulator.close()
      await base[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

export type SealedWorld = Awaited<ReturnType<typeof sealedWorld>>

const byValue = (a: number, b: number): number => a - b

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

export const put = (url: string, bytes: Uint8Array): Promise<Response> =>
  fetch(url, {
    method: 'PUT',
    body: Uint8Array.from(bytes),
    headers: {
      'content-range':
        bytes.length === 0 ? 'bytes */0' : `bytes 0-${bytes.length - 1}/${bytes.length}`,
    },
  })

const contents = (step: number): [string, Buffer][] => [
  ['weights.bin', Buffer.from(`weights of step ${step}`)],
  ['state.json', Buffer.from(`state of step ${step}`)],
]

/** The manifest of a step, as a truthful notebook writes it but for what is changed. */
export function manifestText(order: SealedOrder, step: number, changes: object = {}): string {
  const files = contents(step).map(([name, bytes]) => ({
    name,
    bytes: bytes.length,
    sha256: sha256Hex(bytes),
  }))
  const made = {
    format: 1,
    kind: 'checkpoint',
    run: 'run_one',
    session: order.session.id,
    generation: order.session.generation,
    step,
    targetSteps: 100,
    epoch: 0.5,
    engine: 'dry',
    label: 'dry',
    plan: runOf('one').plan,
    env: {},
    metrics: { loss: 1.5 },
    files,
  }
  return `${JSON.stringify({ ...made, ...changes })}\n`
}

/** Fills a slot as a notebook does, the manifest last. */
export async function fill(
  order: SealedOrder,
  slot: number,
  step: number,
  { text, skip }: { readonly text?: string; readonly skip?: string } = {},
): Promise<void> {
  const urls = order.slots[slot]?.urls ?? []
  for (const [at, [name, bytes]] of contents(step).entries()) {
    if (name !== skip) await sent(urls[at + 1] ?? '', bytes)
  }
  const kind = order.slots[slot]?.kind
  await sent(urls[0] ?? '', Buffer.from(text ?? manifestText(order, step, { kind })))
}

async function sent(url: string, bytes: Uint8Array): Promise<void> {
  const response = await put(url, bytes)
  if (!response.ok) throw new Error(`an address answered ${response.status}`)
}

export const beat = (step: number, changes: object = {}) => ({
  kind: 'beat',
  step,
  phase: 'train',
  secondsLeft: 1500,
  history: [[step, 2.5, 0.1]],
  ...changes,
})

export const report = (outcome: string, step: number, changes: object = {}) => ({
  kind: 'report',
  outcome,
  step,
  failure: null,
  ...changes,
})
