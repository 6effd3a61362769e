import type { Faults } from '../../../src/simulation/faults.ts'
import { builtInFaults } from '../../../src/simulation/faults.ts'
import type { RunNotebook } from '../../../src/simulation/models/machine.ts'
import type { VirtualTime } from '../../../src/simulation/virtual-time.ts'

/** A world without any fault, not even a wait, but for what is given. */
export const quiet = (changes: Partial<Faults> = {}): Faults => ({
  ...builtInFaults('none'),
  kaggleQueueMinutes: 0,
  ...changes,
})

/** Notebooks whose text says what they do: `runs`, or after so many seconds `ends` or `fails`. */
export function scriptedRun(time: VirtualTime) {
  const killed: string[] = []
  const run: RunNotebook = (text, { name, ended }) => {
    const [behaviour, seconds = '1'] = text.split(' ')
    const end =
      behaviour === 'runs'
        ? null
        : time.at(time.now() + Number(seconds) * 1000, () =>
            ended(behaviour === 'fails', behaviour === 'fails' ? 'ValueError: no rows' : null),
          )
    return {
      kill() {
        killed.push(name)
        time.cancel(end)
      },
    }
  }
  return { run, killed }
}

/** Lets time go on by seconds until that is so, for an hour at most. */
export async function untilThen(
  time: VirtualTime,
  what: string,
  is: () => Promise<boolean>,
): Promise<void> {
  for (let second = 0; second < 3600; second += 1) {
    if (await is()) return
    await time.advanceTo(time.now() + 1000)
  }
  throw new Error(`never came: ${what}`)
}
