import type { Surroundings } from '../../src/rotation/engine/input.ts'
import type { PlannedSession } from '../../src/rotation/planned-session.ts'
import type { RotationStore } from '../../src/rotation/rotation-store.ts'
import type { SessionEnd } from '../../src/rotation/session-end.ts'

const around: Surroundings = { providers: new Map(), emulated: false, personSeconds: 100 }

/** What the rotation does with a session, one step at a time; true where it was done now. */
export const planSession = async (store: RotationStore, planned: PlannedSession) =>
  (await store.apply({ kind: 'planned', planned })).done

export const markLaunching = async (store: RotationStore, sessionId: string, ticketHash: string) =>
  void (await store.apply({ kind: 'launching', sessionId, ticketHash }))

export const markStarted = async (store: RotationStore, sessionId: string, handle: string) => {
  const result = { kind: 'started' as const, handle }
  await store.apply({ kind: 'launched', sessionId, result, around })
}

export const markAwaiting = async (store: RotationStore, sessionId: string, link: string) => {
  const result = { kind: 'awaits-person' as const, link }
  await store.apply({ kind: 'launched', sessionId, result, around })
}

export const endSession = async (store: RotationStore, sessionId: string, end: SessionEnd) =>
  (await store.apply({ kind: 'ended', sessionId, end })).done
