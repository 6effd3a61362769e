import { readConversation } from '../datasets/conversation.ts'
import { lines } from '../datasets/lines.ts'
import { baseWarnings } from '../notebooks/choose-base.ts'
import { tokensOf, tokensPerRow } from '../notebooks/figures.ts'
import { Plan } from '../notebooks/plan.ts'
import { predict } from '../notebooks/predict.ts'
import type { Predictions } from '../notebooks/train-recipe.ts'
import type { Account } from '../rotation/account.ts'
import { balanceSeconds, type LedgerEntry } from '../rotation/ledger.ts'
import type { Run } from '../rotation/run.ts'
import { weekOf } from '../rotation/week.ts'
import { mountedBase } from './mounted-base.ts'
import type { NamedDataset } from './reads.ts'
import { type LongRows, runWarnings } from './run-warnings.ts'

export interface OutlookPorts {
  readonly dataset: (version: string) => Promise<NamedDataset | undefined>
  readonly accounts: () => Promise<readonly Account[]>
  readonly ledger: (account: string, from: Date) => Promise<readonly LedgerEntry[]>
  /** The bytes of a version's training rows. */
  readonly readTrain: (version: string) => AsyncIterable<Uint8Array>
  /** Why no session of a plan could have its base, null when one could; one who is patient waits longer for the word. */
  readonly baseTrouble: (plan: Plan, isPatient: boolean) => Promise<string | null>
  /** Whether the accounts of the emulators are those in use. */
  readonly emulated: boolean
  readonly now: () => Date
}

/** What is to be expected of a run before its first session. */
export interface Outlook {
  readonly predictions: Predictions
  /** One sentence each, the weightiest first; empty when nothing stands against the run. */
  readonly warnings: readonly string[]
}

/** A session's length while no account says otherwise, in seconds: Kaggle's, less the time for leaving. */
const usualSessionSeconds = 8.5 * 3600

/**
 * What a run will take and what speaks against it, from the books and the table of figures; nothing is stored.
 * @param lookAtRows whether every training row is read for its length, which takes as long as its bytes, and the hub of a gated
 * base waited for
 */
export async function runOutlook(
  ports: OutlookPorts,
  run: Run,
  lookAtRows: boolean,
): Promise<Outlook> {
  const plan = Plan.parse(run.plan)
  const train = (await ports.dataset(run.datasetVersion))?.train ?? { rows: 0, bytes: 0 }
  const only = mountedBase(run)?.provider
  const accounts = (await ports.accounts()).filter(
    ({ emulated, provider }) =>
      emulated === ports.emulated && (only === undefined || provider === only),
  )
  const longest = Math.max(0, ...accounts.map(({ maxSessionSeconds }) => maxSessionSeconds))
  const sessionSeconds = Math.min(
    run.options.sessionSeconds ?? Number.POSITIVE_INFINITY,
    longest > 0 ? longest : usualSessionSeconds,
  )
  let weekSeconds = 0
  for (const account of accounts) weekSeconds += await leftSeconds(ports, account)
  const row = tokensPerRow(train, plan.maxLength)
  const predictions = predict(plan, {
    row,
    sessionHours: sessionSeconds / 3600,
    sessionSteps: run.options.sessionSteps,
  })
  const longRows = lookAtRows
    ? await longRowsOf(ports.readTrain(run.datasetVersion), plan)
    : undefined
  const warnings = [
    ...runWarnings({
      run,
      plan,
      rows: train.rows,
      tokensPerRow: row.tokens,
      longRows,
      sessionSeconds,
      accounts: accounts.length,
      only,
      weekSeconds,
      predictions,
    }),
    ...(plan.engine === 'dry' ? [] : baseWarnings(plan, await ports.baseTrouble(plan, lookAtRows))),
  ]
  return { predictions, warnings }
}

async function leftSeconds(ports: OutlookPorts, account: Account): Promise<number> {
  const week = weekOf(account.reset, ports.now())
  return Math.max(
    0,
    balanceSeconds(account, await ports.ledger(account.name, week.start), week.start),
  )
}

const utf8 = new TextDecoder()

/** Rows that look longer than the plan's `maxLength`: by characters where the engine counts those, else by their bytes. */
async function longRowsOf(body: AsyncIterable<Uint8Array>, plan: Plan): Promise<LongRows> {
  let count = 0
  let first: number | null = null
  for await (const line of lines(body)) {
    if (line.kind === 'too-long') continue // an import sets those aside
    const reading = readConversation(utf8.decode(line.bytes))
    if (reading.kind === 'bad') continue
    const text = reading.conversation.messages.map(({ content }) => content).join('')
    const length = plan.engine === 'dry' ? text.length : tokensOf(Buffer.byteLength(text))
    if (length <= plan.maxLength) continue
    count += 1
    first ??= line.number
  }
  return { count, first }
}
