import { type Account, providerDefaults } from '../rotation/account.ts'
import { defaultOptions, notBegun, type Run, type ServingPolicy } from '../rotation/run.ts'
import type { Pace } from './models/notebook.ts'

const hour = 3600

/** Who lends what, what is to be trained and served, and how fast machines are. */
export interface Scenario {
  readonly accounts: readonly Account[]
  /** Runs that are open at the same time; when one is done the next begins, so that work is always pending. */
  readonly openRuns: number
  readonly stepsOfRun: number
  /** No run follows these; null for a world in which work never ends. */
  readonly mostRuns: number | null
  readonly policy: ServingPolicy | null
  readonly pace: Pace
  readonly zone: string
}

const account = (name: string, more: Partial<Account> & Pick<Account, 'provider'>): Account => ({
  ...providerDefaults[more.provider],
  name,
  owner: name,
  username: name,
  serves: true,
  emulated: false,
  holdUntil: null,
  holdReason: null,
  ...more,
})

/** Weekday evenings, when somebody may ask the model. */
export const evenings: ServingPolicy = {
  windows: [{ weekdays: [1, 2, 3, 4, 5], fromHour: 18, toHour: 21, zone: 'Europe/Lisbon' }],
  overlapSeconds: 10 * 60,
}

/**
 * Two people of one zone that has summer time: one lends Kaggle, the other Colab. Eight minutes from a machine's start to the
 * first step, 64 s a step, 20 s a checkpoint.
 */
export const usualScenario: Scenario = {
  accounts: [account('ana', { provider: 'kaggle' }), account('bia', { provider: 'colab' })],
  openRuns: 2,
  stepsOfRun: 4000,
  mostRuns: null,
  policy: null,
  pace: { bootSeconds: 60, setupSeconds: 420, stepSeconds: 64, saveTakes: 20, artifactTakes: 30 },
  zone: 'Europe/Lisbon',
}

/** Three people who each lend Kaggle and Colab, and four runs that share the six accounts. */
export const teamScenario: Scenario = {
  ...usualScenario,
  accounts: ['ana', 'bia', 'caio'].flatMap((owner) => [
    account(`${owner}-kaggle`, { provider: 'kaggle', owner }),
    account(`${owner}-colab`, { provider: 'colab', owner }),
  ]),
  openRuns: 4,
}

/** What the service takes a run's sessions to be like before it has seen one. */
export const priorOf = ({ pace }: Scenario) => ({
  stepsPerHour: hour / pace.stepSeconds,
  startSeconds: pace.bootSeconds + pace.setupSeconds,
  saveSeconds: pace.saveTakes,
})

export const runOf = (n: number, scenario: Scenario, createdAt: Date): Run => ({
  ...notBegun,
  id: `run_${String(n).padStart(6, '0')}`,
  name: `run-${n}`,
  engine: 'trl',
  datasetVersion: 'none',
  serving: null,
  priority: 0,
  plan: {},
  options: defaultOptions,
  targetSteps: scenario.stepsOfRun,
  createdAt,
})

export const policyOf = (serving: ServingPolicy, createdAt: Date): Run => ({
  ...runOf(0, { ...usualScenario, stepsOfRun: 0 }, createdAt),
  id: 'policy_evenings',
  name: 'evenings',
  serving,
})
