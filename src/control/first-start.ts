import { randomBytes } from 'node:crypto'
import { type AccountRows, addAccount } from './accounts.ts'
import type { WantedRun } from './start-run.ts'

export interface FirstStartPorts {
  readonly accounts: AccountRows
  readonly emulators: {
    stagePreemption(session: number, afterLine: string, afterSeconds: number): Promise<void>
  }
  readonly hasRuns: () => Promise<boolean>
  readonly withSample: boolean
  /** Imports the sample data and gives its version. */
  readonly importSample: () => Promise<string>
  readonly startRun: (wanted: WantedRun) => Promise<unknown>
}

/** Two people lend an emulated Kaggle account each, and this machine joins in. */
const lenders = ['ana', 'bia'] as const

/**
 * Fills an empty data folder so that a whole rotation can be watched in about a minute: accounts, data and one sample run whose
 * second session the emulator kills in mid-step. Does nothing where there is anything already; each step may be repeated.
 */
export async function firstStart(ports: FirstStartPorts): Promise<void> {
  const { accounts } = ports
  if ((await accounts.all()).length === 0) {
    await addAccount(
      accounts,
      // The shortest sessions of the three: with equal turns, the lent accounts come first.
      {
        name: 'local',
        owner: 'you',
        provider: 'local',
        weeklyHours: 20,
        maxSessionHours: 6,
        acceptRules: true,
      },
      true,
    )
  }
  const known = await accounts.all()
  const emulated = known.filter((account) => account.provider === 'kaggle' && account.emulated)
  // Both or, after a start that was cut short between them, the other one; none beside a person's own.
  if (emulated.every(({ name }) => lenders.some((lender) => lender === name))) {
    for (const name of lenders) {
      if (known.some((account) => account.name === name)) continue
      const key = randomBytes(16).toString('hex') // the emulator takes any key of this form
      const credentials = { kind: 'key' as const, username: name, key }
      await addAccount(
        accounts,
        { name, owner: name, provider: 'kaggle', credentials, acceptRules: true },
        true,
      )
    }
  }
  if (!ports.withSample || (await ports.hasRuns())) return
  const dataset = await ports.importSample()
  await ports.emulators.stagePreemption(2, 'RODIZIO_SAVED', 3)
  await ports.startRun({
    name: 'sample',
    dataset,
    engine: 'dry',
    steps: 150,
    epochs: 1,
    seed: 7,
    plan: {},
    options: {
      saveSeconds: 5,
      stepSeconds: 0.25,
      heartbeatSeconds: 2,
      sessionSeconds: 20,
      minSessionSeconds: 20,
    },
    sample: true,
  })
}
