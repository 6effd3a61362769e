import type { Config } from '../config/schema.ts'
import { type Publishing, publishing } from '../control/publishing.ts'
import type { Clock } from '../lib/clock.ts'
import { hubRepositories } from '../providers/hub/repositories.ts'
import { publishFolder } from '../store/publish-folder.ts'
import type { Artifacts } from './artifacts.ts'
import type { Google } from './google.ts'
import type { Hub } from './hub.ts'
import { publishToDrive } from './publish-to-drive.ts'
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
      drive: google && publishToDrive(storage.fileIndex, artifacts, google),
    },
    now: () => clock.now(),
  })
}
