import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { baseDesk } from '../../src/control/base-desk.ts'
import { hubAccess } from '../../src/control/hub-access.ts'
import type { HubEmulatorOptions } from '../../src/emulators/hub/options.ts'
import { hubClient } from '../../src/providers/hub/client.ts'
import { folderArtifacts } from '../../src/store/folder-artifacts.ts'
import { hubTokenRows } from '../../src/store/hub-token-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { freshHub, gatedId, gatedRevision } from '../emulators/hub-fixture.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase, start } from '../store/fixture.ts'

export const key = Buffer.alloc(32, 7)

/** A plan on the official base, as far as its base goes. */
export const gatedPlan = { engine: 'trl', base: gatedId, revision: gatedRevision }

/** The desk for gated bases over a real database, a real folder and an emulated hub, on a clock that stands still. */
export async function baseWorld(
  options: Partial<HubEmulatorOptions> = {},
  files?: Readonly<Record<string, string>>,
) {
  const fresh = await freshDatabase()
  const clock = settableClock(start)
  const now = () => clock.now()
  const emulator = await freshHub(options, files, clock)
  const hub = hubClient({ baseUrl: emulator.url, timeoutMs: 5000 })
  const rows = hubTokenRows(fresh.db, key, now)
  const access = hubAccess({ hubUrl: emulator.url, rows, whoIs: hub.whoIs })
  const root = join(fresh.folder, 'store')
  /** Files that were sent on the way, by their path. */
  const sent: string[] = []
  const ports = {
    access,
    hub,
    artifacts: folderArtifacts(root),
    ways: {
      downloads: async (_session: string, carried: readonly { path: string }[]) =>
        carried.map(({ path }) => {
          sent.push(path)
          return { url: `http://service/${path}`, headers: {} }
        }),
    },
    // Nobody's patience ends here: a settable clock would end it at once.
    clock: { ...clock, now, sleep: () => new Promise<void>(() => undefined) },
  }
  return {
    emulator,
    rows,
    access,
    hub,
    ports,
    clock,
    root,
    sent,
    desk: baseDesk(ports),
    requests: (rpc: string) => emulator.admin.requests().filter((one) => one.rpc === rpc),
    events: async () => (await reads(fresh.db).events(0, 50)).map(({ kind, data }) => [kind, data]),
    /** Everything that the database has on disk. */
    database: () =>
      readdirSync(fresh.folder)
        .filter((name) => name.startsWith('rodizio.db'))
        .map((name) => readFileSync(join(fresh.folder, name)).toString('latin1'))
        .join(''),
    async [Symbol.asyncDispose]() {
      await emulator[Symbol.asyncDispose]()
      await fresh[Symbol.asyncDispose]()
    },
  }
}
