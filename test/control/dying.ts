/** What a call throws when the process dies at it, and every call after. */
export class Died extends Error {}

/**
 * A process that dies at its n-th call: before the call is made, or after it was and before its answer counts. One that never
 * reaches that call lives.
 */
export function dying(at: number, when: 'before' | 'after') {
  const state = { calls: 0, isDead: false }
  const underWay = new Set<Promise<unknown>>()
  async function call(work: () => Promise<unknown>): Promise<unknown> {
    state.calls += 1
    const isLast = state.calls === at
    if (isLast && when === 'before') state.isDead = true
    if (state.isDead) throw new Died()
    if (isLast) state.isDead = true
    const result = await work()
    if (state.isDead) throw new Died()
    return result
  }
  return {
    state,
    /** The same object, its methods counted as calls. */
    over: <T extends object>(target: T): T =>
      new Proxy(target, {
        get(_target, key) {
          const value: unknown = Reflect.get(target, key)
          if (typeof value !== 'function') return value
          return (...given: unknown[]) => {
            const made = call(async () => Reflect.apply(value, target, given))
            underWay.add(made.catch(() => undefined))
            return made
          }
        },
      }),
    /** Resolves when nothing that the dead process began is under way any more. */
    buried: async () => void (await Promise.allSettled(underWay)),
  }
}

export type Dying = ReturnType<typeof dying>

/** Does the work for the first call, the second, …, until no call is left to die at; how many there are, and one. */
export async function atEachCall(work: (at: number) => Promise<boolean>): Promise<number> {
  const atOnce = 4
  for (let from = 1; ; from += atOnce) {
    const killed = await Promise.all(Array.from({ length: atOnce }, (_, k) => work(from + k)))
    if (killed.includes(false)) return from + killed.indexOf(false)
  }
}
