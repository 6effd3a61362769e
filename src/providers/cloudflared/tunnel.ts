import type { ChildProcess } from 'node:child_process'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { outputReader } from './output.ts'
import { endCloudflared, endLeftCloudflared, startCloudflared } from './process.ts'

/** What becomes of a tunnel after it was opened. */
export type TunnelNews =
  | { readonly kind: 'up'; readonly address: string }
  | { readonly kind: 'down'; readonly why: string; readonly againInMs: number }

/** How long each thing may take, in milliseconds. */
export interface Patience {
  /** Until cloudflared prints an address. */
  readonly addressMs: number
  /** Until that address leads here: its name has to spread first. */
  readonly answerMs: number
  /** Between two looks at whether it still does. */
  readonly lookMs: number
  /** Looks in a row without an answer after which the tunnel counts as gone, though its program lives. */
  readonly looks: number
  /** Before it is started again: the first pause, doubled up to the longest. */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
}

const usual: Patience = {
  addressMs: 45_000,
  answerMs: 90_000,
  lookMs: 60_000,
  looks: 5,
  firstPauseMs: 1000,
  longestPauseMs: 60_000,
}

export interface TunnelOptions {
  /** The address on this machine that the tunnel leads to. */
  readonly target: string
  /** A folder that is this tunnel's alone. */
  readonly folder: string
  /** The search path for programs. */
  readonly path: string
  readonly clock: Clock
  readonly told: (news: TunnelNews) => void
  /** Fires when the first one is not waited for any longer. */
  readonly stop: AbortSignal
  readonly patience?: Patience
}

export interface Tunnel {
  /** Where the tunnel is entered now; undefined while it is being made anew. */
  address(): string | undefined
  close(): Promise<void>
}

interface Life {
  readonly child: ChildProcess
  readonly address: string
  /** Fires when the program has ended. */
  readonly over: AbortSignal
  readonly output: ReturnType<typeof outputReader>
}

/** The leftover of a killed service for that folder is ended, whether a tunnel is wanted this time or not. */
export { endLeftCloudflared as endLeftTunnel }

/**
 * A quick tunnel of cloudflared that leads to this service: open once its address answers, opened again, under another
 * address, each time it is lost.
 * @throws AppError `unavailable` (`no_cloudflared`, `tunnel_silent`) when the first one does not come up
 */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { clock, folder, told } = options
  const patience = options.patience ?? usual
  const closing = new AbortController()
  endLeftCloudflared(folder)
  let life: Life | undefined = await begin(options, patience, options.stop)

  async function keep(): Promise<void> {
    let pauseMs = patience.firstPauseMs
    const lost = async (why: string, steady: boolean) => {
      if (steady) pauseMs = patience.firstPauseMs
      told({ kind: 'down', why, againInMs: pauseMs })
      await clock.sleep(pauseMs, closing.signal)
      pauseMs = Math.min(2 * pauseMs, patience.longestPauseMs)
    }
    while (!closing.signal.aborted) {
      if (life) {
        const ending: Life = life
        const began = clock.monotonicMs()
        const why = await endOf(ending, clock, patience, closing.signal)
        life = undefined
        await endCloudflared(folder, ending.child, clock)
        if (closing.signal.aborted) return
        await lost(why, clock.monotonicMs() - began > patience.longestPauseMs)
      }
      if (closing.signal.aborted) return
      try {
        life = await begin(options, patience, closing.signal)
        told({ kind: 'up', address: life.address })
      } catch (error) {
        if (closing.signal.aborted) return
        await lost(messageOf(error), false)
      }
    }
  }
  const kept = keep()

  return {
    address: () => life?.address,
    async close() {
      closing.abort()
      await kept
    },
  }
}

/** Starts the program and waits until its address leads here; ends it again when that does not come. */
async function begin(
  { target, folder, path, clock }: TunnelOptions,
  patience: Patience,
  closing: AbortSignal,
): Promise<Life> {
  const child = await startCloudflared(folder, path, target)
  const over = new AbortController()
  child.once('exit', () => over.abort())
  const output = outputReader()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => output.take(part))
  }
  const stop = AbortSignal.any([closing, over.signal])
  /** Asks again and again; the last try is no later than its time. */
  const within = async (ms: number, everyMs: number, ask: () => Promise<boolean>) => {
    const end = clock.monotonicMs() + ms
    while (!stop.aborted) {
      if (await ask()) return true
      if (clock.monotonicMs() >= end) return false
      await clock.sleep(everyMs, stop)
    }
    if (closing.aborted) throw new AppError('unavailable', 'stopped before the tunnel was open')
    return false
  }
  const silent = (what: string) =>
    new AppError('unavailable', `${what}: ${output.lastWords()}`, {
      code: 'tunnel_silent',
      next: 'Try again, or set RODIZIO_PUBLIC_URL to an address that leads here',
    })
  try {
    if (!(await within(patience.addressMs, 50, async () => output.address() !== undefined))) {
      throw silent(
        over.signal.aborted
          ? 'cloudflared ended before it had an address'
          : `cloudflared told no address within ${patience.addressMs / 1000} s`,
      )
    }
    const address = output.address() ?? ''
    // Not asked at once: a resolver that is asked for a name too early remembers for long that there is none.
    await clock.sleep(Math.min(2000, patience.answerMs / 10), stop)
    if (!(await within(patience.answerMs, 1000, () => leadsHere(address)))) {
      throw silent(
        over.signal.aborted
          ? 'cloudflared ended before its address answered'
          : `${address} did not lead here within ${patience.answerMs / 1000} s`,
      )
    }
    return { child, address, over: over.signal, output }
  } catch (error) {
    await endCloudflared(folder, child, clock)
    throw error
  }
}

/** Why a tunnel came to its end; also when it is asked to close. */
async function endOf(
  { address, over, output }: Life,
  clock: Clock,
  patience: Patience,
  closing: AbortSignal,
): Promise<string> {
  const stop = AbortSignal.any([closing, over])
  for (let silent = 0; silent < patience.looks; ) {
    await clock.sleep(patience.lookMs, stop)
    if (over.aborted) return `cloudflared has ended: ${output.lastWords()}`
    if (closing.aborted) return 'it is closed'
    silent = (await leadsHere(address)) ? 0 : silent + 1
  }
  return `${address} does not lead here any more`
}

/** Whether this service's own health route answers at an address. */
async function leadsHere(address: string): Promise<boolean> {
  try {
    const response = await fetch(`${address}/health`, {
      signal: AbortSignal.timeout(10_000),
      redirect: 'error',
    })
    const body: unknown = await response.json()
    return response.ok && typeof body === 'object' && body !== null && 'status' in body
  } catch {
    return false // no name yet, no answer, or somebody else's page
  }
}
