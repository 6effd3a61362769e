/** What every call of a process throws once it is dead. */
export class Died extends Error {}

/** A process that can be told to die at one of its next calls, before it is made or before its answer counts. */
export function mortal() {
  let callsLeft = Number.POSITIVE_INFINITY
  let isAfter = false
  let isDead = false

  async function call(work: () => unknown): Promise<unknown> {
    if (isDead) throw new Died('the service is dead')
    callsLeft -= 1
    const isLast = callsLeft <= 0
    if (isLast && !isAfter) isDead = true
    if (isDead) throw new Died('the service is dead')
    if (isLast) isDead = true
    const result = await work()
    if (isDead) throw new Died('the service is dead')
    return result
  }

  return {
    isDead: () => isDead,
    dieAt(calls: number, after: boolean): void {
      callsLeft = calls
      isAfter = after
    },
    die(): void {
      isDead = true
    },
    revive(): void {
      isDead = false
      callsLeft = Number.POSITIVE_INFINITY
    },
    /** The same object, its asynchronous methods counted as calls of the process. */
    over<T extends object>(target: T, methods: readonly (keyof T & string)[]): T {
      const made: Record<string, unknown> = {}
      for (const method of methods) {
        const own = target[method]
        if (typeof own !== 'function') continue
        made[method] = (...given: unknown[]) => call(() => Reflect.apply(own, target, given))
      }
      return Object.assign(Object.create(target), made) as T // the same methods, each behind `call`
    },
  }
}
