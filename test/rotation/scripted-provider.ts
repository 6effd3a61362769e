import type { Account } from '../../src/rotation/account.ts'
import type { QuotaReading } from '../../src/rotation/ledger.ts'
import type {
  LaunchOrder,
  LaunchResult,
  Observed,
  SessionProvider,
} from '../../src/rotation/session-provider.ts'

/** What the provider does with the next launch. */
export type Script =
  | { readonly kind: 'start' }
  /** It starts, and the answer is lost. */
  | { readonly kind: 'start-unheard' }
  /** The request is lost, so that nothing starts. */
  | { readonly kind: 'unheard' }
  | { readonly kind: 'refuse'; readonly retryAt: Date }

/** A provider's world: sessions by name, and what was asked of it. Launches follow the script, then start. */
export function scriptedProvider(
  name: 'kaggle' | 'local' | 'colab' = 'kaggle',
  script: Script[] = [],
) {
  const sessions = new Map<string, Observed>()
  const launches: LaunchOrder[] = []
  const state = {
    launches,
    sessions,
    script,
    /** Names that were launched while they ran already: always a defect of the caller. */
    duplicates: [] as string[],
    killed: [] as string[],
    asked: [] as string[],
    quota: null as QuotaReading | null,
    unreachable: false,
    sealed: false,
    /** What sessions have printed, by name. */
    logs: new Map<string, string>(),
    ticketOf: (sessionName: string) =>
      launches.findLast((order) => order.name === sessionName)?.notebook ?? '',
    run: (sessionName: string) =>
      sessions.set(sessionName, { kind: 'running', handle: sessionName }),
    end: (sessionName: string, failed = true, message: string | null = 'killed') =>
      sessions.set(sessionName, { kind: 'ended', failed, message }),
    live: () => [...sessions].filter(([, seen]) => seen.kind === 'running').map(([key]) => key),
  }
  const provider: SessionProvider = {
    name,
    appearsWithinSeconds: 20,
    tells: (account) => account.automation === 'api',
    sealed: () => state.sealed,
    async launch(order): Promise<LaunchResult> {
      launches.push(order)
      const next = state.script.shift() ?? { kind: 'start' }
      if (next.kind === 'refuse') {
        return { kind: 'refused', reason: 'slots are full', retryAt: next.retryAt }
      }
      if (next.kind === 'unheard') return { kind: 'unknown', reason: 'no answer' }
      if (state.sessions.get(order.name)?.kind === 'running') state.duplicates.push(order.name)
      if (order.account.automation === 'person') {
        sessions.set(order.name, { kind: 'queued', handle: `link/${order.name}` })
        return { kind: 'awaits-person', link: `link/${order.name}` }
      }
      state.run(order.name)
      if (next.kind === 'start-unheard') return { kind: 'unknown', reason: 'no answer' }
      return { kind: 'started', handle: order.name }
    },
    async observe(_account: Account, sessionName: string): Promise<Observed> {
      state.asked.push(sessionName)
      if (state.unreachable) return { kind: 'unknown', reason: 'it does not answer' }
      return sessions.get(sessionName) ?? { kind: 'absent' }
    },
    async kill(_account, sessionName) {
      state.killed.push(sessionName)
      return false
    },
    askToStop: async () => undefined,
    logTail: async (_account, sessionName, maxChars) =>
      (state.logs.get(sessionName) ?? 'the last line').slice(-maxChars),
    async quota() {
      if (state.unreachable) throw new Error('its book cannot be read')
      return state.quota
    },
  }
  return { ...state, state, provider }
}

export type ScriptedProvider = ReturnType<typeof scriptedProvider>
