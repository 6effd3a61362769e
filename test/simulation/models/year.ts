import type { Account } from '../../../src/rotation/account.ts'
import type { LaunchOrder } from '../../../src/rotation/session-provider.ts'
import type { ControlPlane, SessionToken } from '../../../src/simulation/control-plane.ts'
import type { Faults } from '../../../src/simulation/faults.ts'
import { colabModel } from '../../../src/simulation/models/colab.ts'
import { kaggleModel } from '../../../src/simulation/models/kaggle.ts'
import { notebooks } from '../../../src/simulation/models/notebooks.ts'
import { person } from '../../../src/simulation/models/person.ts'
import { virtualTime } from '../../../src/simulation/virtual-time.ts'
import { accountOf } from '../../store/fixture.ts'

const hourMs = 3_600_000
const start = Date.UTC(2026, 0, 5)

/** A service that lets everybody in and believes everything: what the models cost without a rotation above them. */
function believing(): ControlPlane {
  let generation = 0
  let step = 0
  const tokens = new Map<string, SessionToken>()
  return {
    async enrol(ticket) {
      generation += 1
      const token = { sessionId: ticket, generation }
      tokens.set(ticket, token)
      return {
        kind: 'enrolled',
        token,
        work: {
          kind: 'training',
          resumeStep: step,
          targetSteps: 10_000_000,
          saveSeconds: 900,
          saveSteps: 500,
          sessionSteps: null,
        },
        secondsLeft: 9 * 3600,
        heartbeatSeconds: 60,
      }
    },
    beat: async () => ({ order: 'continue', secondsLeft: 1_000_000 }),
    async commit(_token, at) {
      step = Math.max(step, at)
      return 'accepted'
    },
    report: async () => 'accepted',
  }
}

/**
 * A year in which every account is given its next session `everyHours` after the last: two at Kaggle, one at Colab by link
 * and one by the command line.
 * @param pollSeconds how often all heartbeats are delivered; null for never
 */
export async function simulatedYear(options: {
  seed: number
  faults: Faults
  everyHours: number
  pollSeconds: number | null
}) {
  const { seed, faults } = options
  const time = virtualTime(start)
  const all = notebooks({
    time,
    seed,
    faults,
    control: believing(),
    paceOf: () => ({
      bootSeconds: 60,
      setupSeconds: 420,
      stepSeconds: 45,
      saveTakes: 25,
      artifactTakes: 60,
    }),
  })
  const parts = { time, seed, faults, run: all.run }
  const kaggle = kaggleModel(parts)
  const colab = colabModel({
    ...parts,
    personOf: ({ owner }) => person(seed, faults, owner, 'America/Sao_Paulo'),
  })
  const colabOf = (name: string, driver: 'link' | 'cli'): Account =>
    accountOf(name, { provider: 'colab', driver, automation: driver === 'cli' ? 'api' : 'person' })
  const accounts = [
    accountOf('ana'),
    accountOf('bia'),
    colabOf('cris', 'link'),
    colabOf('dani', 'cli'),
  ]
  let launches = 0
  for (const account of accounts) {
    const provider = account.provider === 'kaggle' ? kaggle : colab
    const again = async (): Promise<void> => {
      launches += 1
      const name = `session-${launches}`
      const order: LaunchOrder = {
        account,
        name,
        notebook: name,
        timeoutSeconds: 9 * 3600,
        outputsOf: [],
        models: [],
      }
      await provider.launch(order)
      time.at(time.now() + options.everyHours * hourMs, again)
    }
    time.at(start, again)
  }
  if (options.pollSeconds !== null) {
    const everyMs = options.pollSeconds * 1000
    const poll = async (): Promise<void> => {
      await all.pollOrders()
      time.at(time.now() + everyMs, poll)
    }
    time.at(start + everyMs, poll)
  }
  await time.advanceTo(start + 364 * 24 * hourMs)
  const truths = [...kaggle.usernames().map(kaggle.truth), ...colab.usernames().map(colab.truth)]
  const sessions = truths.flatMap((truth) => truth.sessions)
  return {
    launches,
    sessions,
    events: time.happened(),
    denials: truths.reduce((sum, truth) => sum + truth.denials, 0),
    duplicates: truths.flatMap((truth) => truth.duplicates),
    gpuMs: sessions.reduce((sum, { gpuMs }) => sum + gpuMs, 0),
    spent: all.spent(),
  }
}
