import { kaggleClient } from '../../src/providers/kaggle/client.ts'
import { kaggleSessions } from '../../src/providers/kaggle/sessions.ts'
import type { Behaviour, KaggleWorld, KaggleWorldSettings } from '../contract/kaggle-sessions.ts'
import { FOREVER, freshEmulator, KEY, notebook, startingAt, until } from './kaggle-fixture.ts'

const sources: Readonly<Record<Behaviour, string>> = {
  runs: FOREVER,
  ends: 'print("fim")',
  fails: 'raise ValueError("no rows")',
}

/** The emulated Kaggle over HTTP, through the client that the service uses. */
export async function kaggleWorld({
  startsAt,
  weeklyHours,
  queueSeconds,
}: KaggleWorldSettings): Promise<KaggleWorld> {
  const clock = startingAt(new Date(startsAt))
  const emulator = await freshEmulator({ weeklyHours, queueSeconds, clock })
  const now = () => new Date(emulator.admin.state().now)
  const client = kaggleClient({
    baseUrl: emulator.url,
    credentials: { kind: 'key', username: 'ana', key: KEY },
    timeoutMs: 5_000,
    clock,
  })
  return {
    provider: kaggleSessions({
      clientOf: async () => client,
      clock: { ...clock, now },
      reach: () => 'open',
    }),
    now,
    advance: async (seconds) => emulator.admin.advanceClock(seconds),
    until: async (what, is) => {
      await until(what, is)
    },
    notebook: (behaviour) => notebook(sources[behaviour]),
    [Symbol.asyncDispose]: () => emulator[Symbol.asyncDispose](),
  }
}
