import type { Account, ProviderName } from './account.ts'
import { type Choice, chooseAccount, type Standing } from './choose-account.ts'
import { launchSession } from './launch-session.ts'
import { grantedSeconds, reserve, roundedToMinute } from './ledger.ts'
import type { Run } from './run.ts'
import { type Session, sessionName } from './session.ts'
import { isUsed, type TickPorts } from './tick-ports.ts'
import { weekOf } from './week.ts'

/** Books a session for a run that has none; what remains is its launch. Undefined when the run has to wait, and says why. */
export async function seekSession(
  ports: TickPorts,
  run: Run,
  accounts: readonly Account[],
): Promise<(() => Promise<void>) | undefined> {
  const { store } = ports
  if (run.stopAsked) {
    await store.settleStop(run.id)
    return undefined
  }
  const trouble = (await ports.storeTrouble(run)) ?? (await ports.baseTrouble(run))
  if (trouble !== null) {
    await store.setWaiting(run.id, trouble)
    return undefined
  }
  const live = await store.openSessions()
  const mounted = ports.mountedBase(run)
  const usable = accounts.filter(
    (account) =>
      ports.providers.has(account.provider) &&
      isUsed(ports, account) &&
      (mounted === null || account.provider === mounted.provider),
  )
  const lastGenerations = await store.lastGenerations(run.id)
  const rota: Standing[] = []
  for (const account of usable) {
    rota.push(await standing(ports, account, live, lastGenerations.get(account.name) ?? 0))
  }
  const now = ports.now()
  const wanted = run.options.sessionSeconds ?? Number.POSITIVE_INFINITY
  const choice = chooseAccount(rota, wanted, Math.min(wanted, run.options.minSessionSeconds), now)
  if (choice.kind !== 'start') {
    await store.setWaiting(run.id, waitingFor(choice, mounted?.provider))
    return undefined
  }
  const sessionId = ports.newSessionId()
  const generation = run.generation + 1
  const planned = await store.planSession({
    id: sessionId,
    runId: run.id,
    generation,
    name: sessionName(run.id, run.name, generation),
    account: choice.account,
    plannedSeconds: choice.seconds,
    heartbeatSeconds: run.options.heartbeatSeconds,
    fromStep: await store.resumeStep(run.id),
    sealed: ports.providers.get(choice.account.provider)?.sealed() ?? false,
    reservation: reserve(choice.account, sessionId, now, roundedToMinute(choice.seconds)),
  })
  const provider = ports.providers.get(choice.account.provider)
  const session = (await store.openSessions()).find(({ id }) => id === sessionId)
  if (!planned || !session || !provider) return undefined
  await store.setWaiting(run.id, null)
  return () => launchSession(ports, session, { ...run, generation }, choice.account, provider)
}

/** @param only the provider that alone has the run's base */
function waitingFor(
  choice: Exclude<Choice, { kind: 'start' }>,
  only: ProviderName | undefined,
): string {
  const because = only && `its base is a model that ${only} mounts, and no other place has it`
  if (choice.kind === 'wait') {
    const passedOver = because ? `; accounts elsewhere are passed over: ${because}` : ''
    return `${choice.why}; next look ${choice.until.toISOString()}${passedOver}`
  }
  return because
    ? `no account can run it: ${because}; add one with rodizio accounts add NAME --provider ${only}`
    : 'no account can run it: add one with rodizio accounts add'
}

async function standing(
  ports: TickPorts,
  account: Account,
  live: readonly Session[],
  lastGeneration: number,
): Promise<Standing> {
  const now = ports.now()
  const week = weekOf(account.reset, now)
  const mine = live.filter((session) => session.account === account.name)
  const rows = await ports.store.ledgerRows(account.name, week.start)
  const reading = await ports.store.quotaReading(account.name)
  const unseen = mine
    .filter((session) => reading && session.createdAt > reading.readAt)
    .reduce((sum, session) => sum + session.plannedSeconds, 0)
  return {
    account,
    grantedSeconds: grantedSeconds(account, rows, reading, unseen, now),
    resetsAt: reading?.refreshesAt && reading.refreshesAt > now ? reading.refreshesAt : week.end,
    liveSessions: mine.length,
    lastGeneration,
  }
}
