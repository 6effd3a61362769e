import type { Clock } from '../lib/clock.ts'

/** Whether somebody still needs an emulator: it leaves when nobody said so for `claimSeconds`; never, when they are left out. */
export function createClaims(clock: Clock, claimSeconds: number | undefined) {
  let claimedAt = clock.monotonicMs()
  let watch: NodeJS.Timeout | undefined
  return {
    claim: (): void => {
      claimedAt = clock.monotonicMs()
    },
    whenAbandoned: (leave: () => void): void => {
      if (claimSeconds === undefined) return
      const look = () => {
        if (clock.monotonicMs() - claimedAt >= claimSeconds * 1000) leave()
      }
      watch = setInterval(look, Math.min(1000, claimSeconds * 100))
    },
    stop: (): void => clearInterval(watch),
  }
}
