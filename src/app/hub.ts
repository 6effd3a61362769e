import type { Config } from '../config/schema.ts'
import { type BaseDesk, baseDesk } from '../control/base-desk.ts'
import { type HubAccess, type HubStatus, hubAccess } from '../control/hub-access.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { hubClient } from '../providers/hub/client.ts'
import type { Artifacts } from './artifacts.ts'
import { openStorage, type Storage } from './storage.ts'

/** How long the hub gets for an answer. */
const timeoutMs = 20_000

export interface Hub {
  readonly access: HubAccess
  readonly bases: BaseDesk
}

const clientOf = ({ RODIZIO_HUB_URL: baseUrl }: Config) => hubClient({ baseUrl, timeoutMs })

const openAccess = ({ hubTokens }: Pick<Storage, 'hubTokens'>, config: Config): HubAccess =>
  hubAccess({
    hubUrl: config.RODIZIO_HUB_URL,
    rows: hubTokens,
    whoIs: clientOf(config).whoIs,
  })

/**
 * Proves a token and stores it in a data folder that no service has.
 * @throws AppError as the hub does; `conflict` (`folder_taken`) when a service works on the folder
 */
export async function keepHubToken(config: Config, root: URL, token: string): Promise<HubStatus> {
  const now = () => systemClock.now()
  const storage = await openStorage(config.RODIZIO_DATA_DIR, root, now, false)
  try {
    return await openAccess(storage, config).keep(token)
  } finally {
    await storage.close()
  }
}

/** The hub of models: the person's token for it, and the bases that sessions get by way of this service. */
export function openHub(
  storage: Storage,
  { artifacts, ways }: Pick<Artifacts, 'artifacts' | 'ways'>,
  { config, clock }: { readonly config: Config; readonly clock: Clock },
): Hub {
  const hub = clientOf(config)
  const access = openAccess(storage, config)
  return { access, bases: baseDesk({ access, hub, artifacts, ways, clock }) }
}
