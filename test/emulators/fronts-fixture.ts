import type { BehaviourInput } from '../../src/emulators/flaky/behaviour.ts'
import { type FlakyEmulator, startFlakyEmulator } from '../../src/emulators/flaky/server.ts'
import type { TunnelEmulatorOptions } from '../../src/emulators/ngrok/options.ts'
import { startTunnelEmulator, type TunnelEmulator } from '../../src/emulators/ngrok/server.ts'
import { type SettableClock, settableClock } from '../settable-clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** Tunnels before a target, in folders of their own; all is gone at the end of the block. */
export interface Fronts extends AsyncDisposable {
  readonly tunnels: TunnelEmulator
  readonly flaky: FlakyEmulator
  readonly clock: SettableClock
  readonly stateDir: string
  /** What the target does from now on. */
  readonly behave: (behaviour: BehaviourInput) => void
}

/** The run that the target says to serve. */
export const ownRun = 'run_ana'

/** The endpoints `ana` (ngrok) and `quick` (cloudflared) lead to the target. */
export async function freshFronts(options: Partial<TunnelEmulatorOptions> = {}): Promise<Fronts> {
  const folder = temporaryFolder()
  const clock = settableClock('2026-03-31T23:00:00.000Z')
  const flaky = await startFlakyEmulator({ stateDir: folder.path, clock, run: ownRun })
  const tunnels = await startTunnelEmulator({ stateDir: folder.path, clock, ...options })
  tunnels.admin.open({ name: 'ana', upstream: flaky.targetUrl })
  tunnels.admin.open({ name: 'quick', upstream: flaky.targetUrl, kind: 'cloudflared' })
  return {
    tunnels,
    flaky,
    clock,
    stateDir: folder.path,
    behave: flaky.admin.behave,
    async [Symbol.asyncDispose]() {
      await Promise.all([tunnels.close(), flaky.close()])
      folder[Symbol.dispose]()
    },
  }
}

/** An order to an emulator over HTTP, as another process gives it. */
export const order = (
  { url, adminToken }: { readonly url: string; readonly adminToken: string },
  method: string,
  name: string,
  body?: unknown,
): Promise<Response> =>
  fetch(`${url}/_emulator/${name}`, {
    method,
    headers: { 'x-emulator-token': adminToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
