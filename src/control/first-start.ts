import { randomBytes } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import { type AccountRows, addAccount } from './accounts.ts'
import type { GoogleSignIn } from './google-sign-in.ts'
import { beginReal, type RealPorts, type RealStart } from './real-start.ts'

export interface FirstStartPorts extends RealPorts {
  readonly accounts: AccountRows
  /** The sign-in at the emulated Google, where it is this service's own to make. */
  readonly google: Pick<GoogleSignIn, 'begin' | 'status'> | undefined
  readonly sleep: (seconds: number) => Promise<void>
  readonly hasRuns: () => Promise<boolean>
  readonly withSample: boolean
  /** A run that really trains, in place of the sample, where one is asked for. */
  readonly real: RealStart | undefined
}

/** Two people lend an emulated Kaggle account each, one of them an emulated Colab, and this machine joins in. */
const lenders = { ana: 9, bia: 8 }

/**
 * Fills an empty data folder so that a whole rotation can be watched in a minute or two: accounts, a sign-in at Google, data and
 * one sample run, of which the emulated Kaggle kills its second session in mid-step. Does nothing where there is anything already; each step may be repeated.
 * A run that really trains is begun in its place, or beside what is there, where it is asked for.
 */
export async function firstStart(ports: FirstStartPorts): Promise<void> {
  const { accounts } = ports
  // One that a person has removed does not come back by itself.
  if ((await accounts.every()).length === 0) {
    await addAccount(
      accounts,
      // The shortest sessions of all: with equal turns, the lent accounts come first.
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
  const known = await accounts.every()
  const emulated = known.filter((account) => account.provider === 'kaggle' && account.emulated)
  // Both or, after a start that was cut short between them, the other one; none beside a person's own.
  if (emulated.every(({ name }) => Object.hasOwn(lenders, name))) {
    for (const [name, maxSessionHours] of Object.entries(lenders)) {
      if (known.some((account) => account.name === name)) continue
      const key = randomBytes(16).toString('hex') // the emulator takes any key of this form
      const credentials = { kind: 'key' as const, username: name, key }
      await addAccount(
        accounts,
        { name, owner: name, provider: 'kaggle', maxSessionHours, credentials, acceptRules: true },
        true,
      )
    }
  }
  if (ports.google) {
    if (!known.some(({ provider }) => provider === 'colab')) {
      // Between the two at Kaggle: the turn goes from there to Colab and back.
      const maxSessionHours = 8.5
      const colab = { name: 'ana-colab', owner: 'ana', provider: 'colab' } as const
      await addAccount(accounts, { ...colab, maxSessionHours, acceptRules: true }, true)
    }
    await signIn(ports.google, ports.sleep)
  }
  if (ports.real) {
    await beginReal(ports, ports.real)
    return
  }
  if (!ports.withSample || (await ports.hasRuns())) return
  const dataset = await ports.importSample()
  await ports.emulators.stagePreemption(2, 'RODIZIO_SAVED', 3)
  await ports.startRun({
    name: 'sample',
    dataset,
    engine: 'dry',
    steps: 170,
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

/** Signs in by a code, which the emulated person approves. Where that was done before nothing happens. */
async function signIn(
  google: Pick<GoogleSignIn, 'begin' | 'status'>,
  sleep: (seconds: number) => Promise<void>,
): Promise<void> {
  let { state } = await google.status()
  if (state === 'good' || state === 'revoked') return
  if (state !== 'waiting') await google.begin()
  for (let second = 0; second < 60; second += 1) {
    state = (await google.status()).state
    if (state !== 'waiting') break
    await sleep(1)
  }
  if (state === 'good') return
  throw new AppError('unavailable', `the emulated sign-in at Google is ${state}`, {
    next: 'Sign in with: rodizio login google',
  })
}
