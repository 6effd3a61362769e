/** The service is dead: what it was about to do does not happen. */
export class Died extends Error {
  constructor() {
    super('the service died here')
    this.name = 'Died'
  }
}

/** The life of a service, counted in what it does with the world: each call is one step, its answer another. */
export interface Life {
  /** One step. Throws `Died` when it is the last, and ever after until the service is born again. */
  step(): void
  /** It dies at its n-th step from now, 1 being the next; a death that was due before is off. */
  dieAt(steps: number): void
  isDead(): boolean
  /** Born again, with nothing in its way. */
  revive(): void
}

export function life(): Life {
  let left = Number.POSITIVE_INFINITY
  return {
    step() {
      left -= 1
      if (left <= 0) throw new Died()
    },
    dieAt(steps) {
      left = steps
    },
    isDead: () => left <= 0,
    revive() {
      left = Number.POSITIVE_INFINITY
    },
  }
}

/**
 * A port whose caller may die before a call, or after it was carried out and before its answer counts: between intent, call,
 * answer and bookkeeping. From its death on no call reaches the port.
 */
export function mortal<Port extends object>(port: Port, { step }: Life): Port {
  const guarded = Object.entries(port).map(([name, member]: [string, unknown]) => {
    if (typeof member !== 'function') return [name, member]
    const call = (...given: unknown[]): unknown => {
      step()
      const answer: unknown = member.apply(port, given)
      if (!(answer instanceof Promise)) return answer
      return answer.then((value: unknown) => {
        step()
        return value
      })
    }
    return [name, call]
  })
  return Object.fromEntries(guarded) as Port // each member takes and gives what the one before did
}
