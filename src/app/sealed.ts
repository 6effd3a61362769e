import { type SealedDesk, sealedDesk } from '../control/sealed-desk.ts'
import { AppError } from '../lib/errors.ts'
import type { TickPorts } from '../rotation/tick-ports.ts'
import type { Artifacts } from './artifacts.ts'
import type { Hub } from './hub.ts'
import type { Storage } from './storage.ts'

/** The desk for sessions that cannot reach this service. Without a store that they reach by themselves there are none. */
export function openSealed(
  storage: Storage,
  { direct, artifacts, checkpoints, adapters, ways, full }: Artifacts,
  { now, trouble, bases }: Pick<TickPorts, 'now' | 'trouble'> & Pick<Hub, 'bases'>,
): SealedDesk {
  const { gate, dataFiles } = storage
  if (!direct) return none
  return sealedDesk({
    gate,
    checkpoints,
    adapters,
    bases,
    artifacts,
    ways,
    dataWays: ways,
    dataFiles,
    full,
    slots: direct.slots,
    now,
    trouble,
  })
}

/** Sealed sessions of a time when the store was on Drive end by the clock alone. */
const none: SealedDesk = {
  order: async () => {
    throw new AppError('invalid', 'a sealed session needs a store that it reaches by itself', {
      next: 'Set RODIZIO_STORE=drive, or RODIZIO_PUBLIC_URL',
    })
  },
  follow: async (session) => session,
  collect: async () => undefined,
  sweep: async () => undefined,
}
