import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { isSameProcessAlive, killGroup } from '../../lib/processes.ts'
import { scriptOf, ticketVariable } from '../../notebooks/script.ts'
import type { Account } from '../../rotation/account.ts'
import { type ColabRefusedReason, colabWaitMinutes } from '../../rotation/colab-refusal.ts'
import type {
  LaunchOrder,
  LaunchResult,
  Observed,
  SessionProvider,
} from '../../rotation/session-provider.ts'
import { type ColabCli, saysReady } from './cli.ts'
import { cliFolders } from './cli-folder.ts'
import { type CliSession, sentenceIn } from './cli-output.ts'

export interface ColabCliSessionsOptions {
  readonly cli: ColabCli
  /** One folder a session is made below it. */
  readonly root: string
  readonly clock: Clock
  /** How long the program gets to find a machine, in seconds, before it is ended. */
  readonly startSeconds: number
  /** False while sessions could not reach this service: then nothing is started. */
  readonly reachable: () => boolean
}

/** Refusals by a status of their own: no machine can have been given. */
const definite: ReadonlySet<ColabRefusedReason> = new Set([
  'no_gpu',
  'too_many',
  'denied',
  'unreachable',
])

/** Beyond the session's own time: a follower that lost its machine from sight gives it back then. */
const followSeconds = 600
/** A session asks to be let in for 900 s at most; one that has said nothing after that never will. */
const muteSeconds = 900
/** A young session whose follower lives is believed: each question starts the program anew. */
const believedSeconds = 120
const headBytes = 64 * 1024
const tailChars = 4000

/** A provider of sessions, with what only the command line needs besides. */
export interface ColabCliSessions extends SessionProvider {
  /** Gives back the machines of sessions that are over, and forgets them. Throws `unavailable`, and is then to be repeated. */
  endOrphans(open: () => Promise<ReadonlySet<string>>): Promise<void>
  /** What the program says of the account, in a sentence. Throws `unavailable`. */
  prove(): Promise<string>
}

/**
 * Sessions at Colab by its official command line: each is a script that a follower, a process of ours that outlives this
 * service, has started on a machine of its own. One at a time, and one account: the program keeps one sign-in.
 */
export function colabCliSessions(options: ColabCliSessionsOptions): ColabCliSessions {
  const { cli, clock, startSeconds } = options
  const folders = cliFolders(options.root)
  let version: string | undefined // asked once: it costs a start of the program

  const refused = (reason: string, minutes: number): LaunchResult => ({
    kind: 'refused',
    reason,
    retryAt: new Date(clock.now().getTime() + minutes * 60_000),
  })

  const livesStill = (name: string): boolean => {
    const noted = folders.follower(name)
    return noted?.processStartedAt ? isSameProcessAlive(noted.pid, noted.processStartedAt) : false
  }
  const endFollower = (name: string): void => {
    const noted = folders.follower(name)
    if (noted && livesStill(name)) killGroup(noted.pid)
  }
  const ageSeconds = (name: string): number => {
    const noted = folders.follower(name)
    return noted ? (clock.now().getTime() - Date.parse(noted.at)) / 1000 : 0
  }
  const head = (name: string): string => folders.printed(name, 'head', headBytes)
  const isReady = (name: string): boolean => saysReady(head(name), name)
  const noteMachine = (name: string): void => {
    if (folders.machine(name) !== undefined) return
    const endpoint = cli.endpointOf(name)
    if (endpoint !== null) folders.noteMachine(name, endpoint)
  }

  /** Gives a machine of ours back: by its name, or by its endpoint where the program has forgotten the name. */
  async function giveBack(name: string, machines: readonly CliSession[]): Promise<void> {
    endFollower(name)
    const endpoint = folders.machine(name)
    if (machines.some((one) => one.name === name)) await cli.stop(name)
    else if (endpoint && machines.some((one) => one.endpoint === endpoint))
      await cli.release(endpoint)
  }

  /** A machine that came while a launch was under way, and that no session knows: its answer was lost. */
  const cameWith = (name: string, machines: readonly CliSession[]): CliSession[] => {
    const before = folders.before(name)
    return machines.filter(
      (one) =>
        before && one.name === null && one.hardware === 'T4' && !before.includes(one.endpoint),
    )
  }

  /**
   * Gives back whatever of ours is still there, since only one session runs at a time: what the launch of that name left, and
   * what is left of others. Answers the machines that are not ours.
   */
  async function clear(name: string): Promise<CliSession[]> {
    const machines = await cli.sessions()
    const known = new Set(machines.flatMap((one) => one.name ?? []))
    for (const one of new Set([...known, ...folders.names()])) await giveBack(one, machines)
    const left = cameWith(name, machines)
    for (const { endpoint } of left) await cli.release(endpoint)
    const ours = new Set(folders.names().map((one) => folders.machine(one)))
    return machines.filter(
      (one) => one.name === null && !left.includes(one) && !ours.has(one.endpoint),
    )
  }

  const whyRefused = (error: unknown): LaunchResult => {
    if (!(error instanceof AppError)) throw error
    const minutes = error.code === 'timeout' || error.code === 'colab_cli_failed' ? 5 : 30
    return refused(error.next ? `${error.message}. ${error.next}` : error.message, minutes)
  }

  async function launch(order: LaunchOrder): Promise<LaunchResult> {
    const { name } = order
    if (!options.reachable()) {
      return refused('sessions at Colab could not reach this service: set RODIZIO_PUBLIC_URL', 60)
    }
    const { script, ticket } = scriptOf(order.notebook)
    try {
      version ??= await cli.version()
      const others = await clear(name)
      folders.noteBefore(
        name,
        others.map((one) => one.endpoint),
      )
      folders.prepare(name, script)
    } catch (error) {
      return whyRefused(error) // nothing was asked for
    }
    try {
      const result = await cli.run(folders.scriptPath(name), {
        name,
        gpu: 'T4',
        env: { [ticketVariable]: ticket },
        timeoutSeconds: order.timeoutSeconds + followSeconds,
        logPath: folders.logPath(name),
        exitPath: folders.exitPath(name),
        note: (follower) => folders.noteFollower(name, follower, clock.now()),
      })
      if (result.kind === 'started') {
        noteMachine(name)
        return { kind: 'started', handle: name }
      }
      const { reason, message } = result
      if (!definite.has(reason)) await clear(name) // where its words deceive, a machine is there
      if (reason === 'cut') return { kind: 'unknown', reason: message }
      return refused(message, colabWaitMinutes[reason])
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      // Also when the machines could not be listed afterwards: they are, before anything is started again.
      const isDefinite = error.code === 'colab_cli_missing' || error.code === 'colab_cli_wrapped'
      return isDefinite ? whyRefused(error) : { kind: 'unknown', reason: error.message }
    }
  }

  /** What is known without asking Colab: the follower, its output, its exit status. Undefined where Colab must be asked. */
  function seenHere(name: string): Observed | undefined {
    if (!folders.isThere(name)) return { kind: 'absent' }
    const lives = livesStill(name)
    if (!isReady(name)) {
      if (!lives) return { kind: 'absent' } // refused, or cut off: the next launch clears what it left
      if (ageSeconds(name) <= startSeconds) {
        return { kind: 'unknown', reason: 'it is still asking for a machine' }
      }
      endFollower(name)
      return { kind: 'unknown', reason: `it had no machine after ${startSeconds} s` }
    }
    noteMachine(name)
    if (lives) return ageSeconds(name) < believedSeconds ? running(name) : undefined
    const code = folders.exitCode(name)
    if (code === undefined) return undefined
    const message = code === 0 ? null : lastWords(name)
    return { kind: 'ended', failed: code !== 0, message }
  }

  const running = (name: string): Observed => ({ kind: 'running', handle: name })
  const lastWords = (name: string): string =>
    sentenceIn(clean(folders.printed(name, 'tail', tailChars)))

  async function observe(_account: unknown, name: string): Promise<Observed> {
    const seen = seenHere(name)
    if (seen) return seen
    try {
      const machines = await cli.sessions()
      const endpoint = folders.machine(name)
      const isThere = machines.some((one) => one.name === name || one.endpoint === endpoint)
      // The script goes on by itself when its follower was killed; one that never began does not.
      const isMute = !livesStill(name) && ageSeconds(name) > muteSeconds && saidNothing(name)
      if (isThere && !isMute) return running(name)
      await giveBack(name, machines)
      const message = isThere ? 'its follower died before it began' : 'Colab took its machine back'
      return { kind: 'ended', failed: true, message }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return { kind: 'unknown', reason: error.message }
    }
  }

  /** Whether nothing was printed after the program's own announcement. */
  const saidNothing = (name: string): boolean =>
    !/Session READY \([^\n]*\n[\s\S]*\S/.test(head(name))

  return {
    name: 'colab',
    // A request that was cut off may still be granted for a while.
    appearsWithinSeconds: 60,
    tells: () => true,
    sealed: () => false,
    launch,
    observe,
    async kill(_account: Account, name: string): Promise<boolean> {
      try {
        await giveBack(name, await cli.sessions())
        return true
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        return false // its machine is given back with the next look at what is left over
      }
    },
    askToStop: async () => undefined, // the heartbeat's answer is the only way
    logTail: async (_account, name, maxChars) => clean(folders.printed(name, 'tail', maxChars)),
    quota: async () => null,
    async endOrphans(open) {
      const names = folders.names()
      if (names.length === 0) return
      // Asked in this order: what is launched meanwhile is not among the names.
      const wanted = await open()
      const over = names.filter((name) => !wanted.has(name))
      if (over.length === 0) return
      for (const name of over) endFollower(name)
      const machines = await cli.sessions()
      for (const name of over) {
        await giveBack(name, machines)
        folders.remove(name)
      }
    },
    async prove() {
      version = await cli.version()
      const { computeUnits, assignments } = await cli.usage()
      return `google-colab-cli ${version} is signed in: ${computeUnits} compute units, ${assignments} machines held; Colab tells nothing of free hours`
    },
  }
}

/** Without colours, and without tickets: a traceback of the program may quote what it was given. */
const clean = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that begins a colour
    .replaceAll(/\u001b\[[\d;]*m/g, '')
    .replaceAll(/\brzt_[\w-]+/g, '***')
