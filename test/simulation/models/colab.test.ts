import { colabModel } from '../../../src/simulation/models/colab.ts'
import type { RunNotebook } from '../../../src/simulation/models/machine.ts'
import { virtualTime } from '../../../src/simulation/virtual-time.ts'
import { colabSessionsContract, type PersonManner } from '../../contract/colab-sessions.ts'
import { quiet, scriptedRun, untilThen } from './scripted-run.ts'

colabSessionsContract('the model of Colab', async ({ gpuHours }) => {
  const time = virtualTime(Date.UTC(2026, 10, 30))
  const counts = new Map<string, { started: number; running: number }>()
  const inner = scriptedRun(time).run
  const run: RunNotebook = (text, place) => {
    const count = counts.get(place.name) ?? { started: 0, running: 0 }
    counts.set(place.name, count)
    count.started += 1
    count.running += 1
    const cargo = inner(text, {
      ...place,
      ended(failed, message) {
        count.running -= 1
        place.ended(failed, message)
      },
    })
    return {
      kill() {
        count.running -= 1
        cargo.kill()
      },
    }
  }
  let manners: PersonManner[] = []
  const provider = colabModel({
    time,
    seed: 1,
    faults: quiet({ colabLeastHours: gpuHours, colabMostHours: gpuHours }),
    run,
    personOf: () => ({
      asked(nowMs) {
        const [first = { opensAfter: 0 }, ...rest] = manners
        if (rest.length > 0) manners = rest
        const opensMs = first.opensAfter === null ? null : nowMs + first.opensAfter * 1000
        const isAgain = opensMs !== null && first.againAfter !== undefined
        return { opensMs, againMs: isAgain ? opensMs + (first.againAfter ?? 0) * 1000 : null }
      },
    }),
  })
  return {
    provider,
    advance: (seconds) => time.advanceTo(time.now() + seconds * 1000),
    until: (what, is) => untilThen(time, what, async () => is()),
    behave: (...next) => {
      manners = next
    },
    notebook: (behaviour) => behaviour,
    running: (name) => counts.get(name)?.running ?? 0,
    started: (name) => counts.get(name)?.started ?? 0,
    denials: () => provider.truth('cris').denials,
    [Symbol.asyncDispose]: async () => undefined,
  }
})
