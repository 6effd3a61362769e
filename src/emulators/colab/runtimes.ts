import { randomBytes } from 'node:crypto'
import { type Clock, iso, secondsBetween } from '../../lib/clock.ts'
import { isSameProcessAlive } from '../../lib/processes.ts'
import { newSecret } from '../../lib/random.ts'
import { endJupyter, kernelsOf, startJupyter } from './jupyter.ts'
import type { Accelerator, ColabSettings } from './options.ts'
import type { Runtime, StateFile } from './state.ts'

/** How often machines are looked at: their limit, their kernels, whether they are still there. */
const LOOK_MS = 1000
/** A machine that does not answer within so long is given up. */
const START_MS = 60_000

export interface Wish {
  readonly user: string
  /** The caller's own name for what it wants: asked for twice, it is one machine. */
  readonly notebookHash: string
  readonly accelerator: Accelerator
  readonly variant: number
  readonly highMemory: boolean
}

export interface RuntimesOptions {
  readonly file: StateFile
  readonly settings: ColabSettings
  readonly clock: Clock
  readonly now: () => Date
}

/** The machines behind the command line: started on demand, taken back when idle, too old, gone or no longer wanted. */
export function createRuntimes({ file, settings, clock, now }: RuntimesOptions) {
  const live = (): Runtime[] => file.state.runtimes.filter(({ endedAt }) => endedAt === null)
  const starting = new Map<string, Promise<Runtime | null>>()
  let stopped = false
  let endings = 0 // how often everything was ended: a start that spans one comes to nothing

  const end = (runtime: Runtime, reason: string): void => {
    if (runtime.endedAt !== null) return
    endJupyter(file.runtimeDir(runtime.id), runtime)
    runtime.endedAt = iso(now())
    runtime.reason = reason
    file.save()
  }

  const isAlive = ({ pid, processStartedAt }: Runtime): boolean =>
    processStartedAt !== null && isSameProcessAlive(pid, processStartedAt)

  const start = async (wish: Wish, python: string): Promise<Runtime | null> => {
    const id = file.nextId()
    const began = endings
    const jupyterToken = newSecret('jup')
    const dir = file.runtimeDir(id)
    const order = { dir, python, token: jupyterToken, timeoutMs: START_MS, clock }
    const server = await startJupyter(order)
    if (server === null) return null
    if (stopped || endings !== began) {
      endJupyter(dir, server)
      return null
    }
    const { port, ...process } = server
    const at = iso(now())
    const kind = wish.accelerator === 'NONE' ? 'cpu' : wish.accelerator.toLowerCase()
    const runtime: Runtime = {
      id,
      ...wish,
      endpoint: `m-s-${kind}-emulated-${randomBytes(6).toString('hex')}`,
      proxyToken: newSecret('rpt'),
      jupyterToken,
      jupyterPort: port,
      assignedAt: at,
      activeAt: at,
      endedAt: null,
      reason: null,
      ...process,
    }
    file.state.runtimes.push(runtime)
    file.save()
    return runtime
  }

  const look = async (runtime: Runtime): Promise<void> => {
    if (!isAlive(runtime)) {
      end(runtime, 'lost')
      return
    }
    const kernels = await kernelsOf(runtime.jupyterPort, runtime.jupyterToken)
    if (stopped || runtime.endedAt !== null) return
    if (kernels?.includes('busy') || kernels?.includes('starting')) runtime.activeAt = iso(now())
    const since = (moment: string): number => secondsBetween(new Date(moment), now())
    if (since(runtime.assignedAt) >= settings.sessionCapSeconds) end(runtime, 'limit')
    else if (since(runtime.activeAt) >= settings.idleSeconds) end(runtime, 'idle')
  }

  for (const runtime of live()) if (!isAlive(runtime)) end(runtime, 'lost')
  let looking = false
  const timer = setInterval(() => {
    if (looking) return
    looking = true
    void Promise.all(live().map(look)).finally(() => {
      looking = false
    })
  }, LOOK_MS)

  return {
    live,
    ofUser: (user: string): Runtime[] => live().filter((runtime) => runtime.user === user),
    /** The machine that answers to this endpoint, or undefined when it is gone. */
    at: (endpoint: string): Runtime | undefined =>
      live().find((runtime) => runtime.endpoint === endpoint),
    wished: ({ user, notebookHash }: Pick<Wish, 'user' | 'notebookHash'>): Runtime | undefined =>
      live().find((one) => one.user === user && one.notebookHash === notebookHash),
    /** Starts a machine, or joins the start that goes on. Null when it did not come up. */
    start: (wish: Wish, python: string): Promise<Runtime | null> => {
      const key = `${wish.user} ${wish.notebookHash}`
      const running = starting.get(key)
      if (running) return running
      const begun = start(wish, python).finally(() => starting.delete(key))
      starting.set(key, begun)
      return begun
    },
    end,
    endAll: (reason: string): void => {
      endings += 1
      for (const runtime of live()) end(runtime, reason)
    },
    /** Stops looking; the machines themselves go on, but for one that is just starting. */
    stop: async (): Promise<void> => {
      stopped = true
      clearInterval(timer)
      await Promise.allSettled(starting.values())
    },
  }
}

export type Runtimes = ReturnType<typeof createRuntimes>
