import { colabGaveNone, colabWaitMinutes } from '../../rotation/colab-refusal.ts'
import type { LaunchOrder, LaunchResult, Observed } from '../../rotation/session-provider.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import type { VirtualTime } from '../virtual-time.ts'
import type { ColabMachine, ColabMachines, Denial } from './colab-machines.ts'
import { noAnswer } from './trouble.ts'

const minuteMs = 60_000
/** Beyond the session's own time: then the follower gives the machine back. */
const followSeconds = 600

/** What the official command line says, and how long the account is left alone for it. */
const said: Readonly<Record<Denial, readonly [words: string, minutes: number]>> = {
  quota: [colabGaveNone, colabWaitMinutes.quota],
  'none-free': [
    'colab_cli.client.ColabRequestError: Failed to issue request POST https://colab.research.google.com/tun/m/assign: Service Unavailable',
    colabWaitMinutes.no_gpu,
  ],
  'too-many': ['Allocation refused (precondition failed).', colabWaitMinutes.too_many],
}

export interface ColabCliModelOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  readonly machines: ColabMachines
  readonly isDown: () => boolean
}

/** One account at Colab by its command line: one session at a time; what is left of an earlier one is given back first. */
export function colabCliModel(username: string, options: ColabCliModelOptions) {
  const { time, faults, machines, isDown } = options
  const calls = stream(options.seed, `colab/${username}/cli`)
  const byName = new Map<string, ColabMachine>()

  const refused = (reason: string, minutes: number): LaunchResult => ({
    kind: 'refused',
    reason,
    retryAt: new Date(time.date().getTime() + minutes * minuteMs),
  })
  const unheard: LaunchResult = { kind: 'unknown', reason: noAnswer('Colab') }

  const clear = (): void => {
    for (const machine of [...machines.held]) {
      machines.takeBack(machine, 'its machine was given back')
    }
  }

  return {
    launch({ name, notebook, timeoutSeconds }: LaunchOrder): LaunchResult {
      const isRefused = calls.chance(faults.launchRefusedShare)
      const isLost = calls.chance(faults.launchLostShare)
      const isUnheard = calls.chance(faults.launchUnheardShare)
      const isSilent = calls.chance(0.5)
      if (isDown()) {
        return isSilent ? unheard : refused(noAnswer('Colab'), colabWaitMinutes.unreachable)
      }
      clear()
      if (isLost) return unheard
      if (isRefused) return refused('it said nothing', colabWaitMinutes.unknown)
      const denial = machines.denial()
      if (denial !== null) return refused(...said[denial])
      if (isUnheard) {
        machines.startUnheard(name)
        return unheard
      }
      const machine = machines.start(name, (timeoutSeconds + followSeconds) * 1000)
      byName.set(name, machine)
      machines.run(machine, notebook)
      return { kind: 'started', handle: name }
    },
    observe(name: string): Observed {
      const machine = byName.get(name)
      if (machine === undefined) return { kind: 'absent' }
      if (isDown()) return { kind: 'unknown', reason: noAnswer('Colab') }
      if (machine.end === null) return { kind: 'running', handle: name }
      return { kind: 'ended', ...machine.end }
    },
    kill(name: string): boolean {
      if (isDown()) return false
      const machine = byName.get(name)
      if (machine !== undefined) machines.takeBack(machine, 'its machine was given back')
      return true
    },
  }
}

export type ColabCliModel = ReturnType<typeof colabCliModel>
