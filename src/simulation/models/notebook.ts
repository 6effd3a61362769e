import type { Account } from '../../rotation/account.ts'
import type { Failure } from '../../rotation/session-end.ts'
import type { NodeSaid, Report } from '../../rotation/session-gate.ts'
import type { BeatAnswer, ControlPlane, SessionToken, Taken, Work } from '../control-plane.ts'
import type { Faults } from '../faults.ts'
import { stream } from '../random.ts'
import type { Span } from '../score.ts'
import type { Handle, VirtualTime } from '../virtual-time.ts'
import type { Cargo, Place } from './machine.ts'
import { type Beat, notebookBeats } from './notebook-beats.ts'
import { type Luck, luckOf } from './notebook-luck.ts'
import { type NodeSight, notebookNode } from './notebook-node.ts'
import { notebookTime, type Phase, type TimeSpent } from './notebook-time.ts'

const secondMs = 1000
const hourMs = 3600 * secondMs
/** A service that does not answer is asked to let the notebook in for so long. */
const enrolMs = 900 * secondMs
const longestWaitMs = 30 * secondMs

/** How fast notebooks are on an account, in seconds. */
export interface Pace {
  /** From the machine's start until the notebook asks to be let in. */
  readonly bootSeconds: number
  /** From there to the first step, or until it serves. */
  readonly setupSeconds: number
  readonly stepSeconds: number
  /** What one checkpoint takes until it is carried off. */
  readonly saveTakes: number
  /** What the artifact of a finished run takes. */
  readonly artifactTakes: number
}

export interface NotebookOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  readonly control: ControlPlane
  readonly pace: Pace
  readonly ticket: string
  /** No other process has it. */
  readonly nonce: string
  readonly place: Place
  /** It is over, whatever ended it. */
  readonly over: () => void
  /** It has frozen, and says nothing until it wakes. */
  readonly frozen?: () => void
  /** It serves from now on. */
  readonly ready?: () => void
  /** Its node is seen otherwise from now on; its own heartbeats show it from that moment on, or never. */
  readonly turned?: (noticedMs: number) => void
}

export interface Notebook extends Cargo {
  readonly name: string
  readonly account: Account
  /** Null until it was let in. */
  token(): SessionToken | null
  /** The newest heartbeat that has arrived by then and was not delivered yet; null for none. No event tells of it. */
  beatsDue(nowMs: number): Beat | null
  /** Brings the heartbeat that is due to the service and does as its answer says. */
  pollOrders(): Promise<void>
  spent(): TimeSpent
  /** When its node could be reached, in order; the last one as far as now. */
  ups(): readonly Span[]
  /** What a look at its node finds. */
  sight(): NodeSight
}

/**
 * What runs on a machine, from boot to report, as templates/session and templates/engines do it: it is let in by its ticket,
 * goes on from the step that it is given, saves by the wall clock, leaves before its deadline and says how it ended.
 */
export function startNotebook(options: NotebookOptions): Notebook {
  const { time, faults, control, pace, ticket, nonce, place } = options
  const { now } = time
  const random = stream(options.seed, `notebook/${nonce}`)
  const luck: Luck = luckOf(random, faults)
  const clock = notebookTime(now)
  const beats = notebookBeats(random, faults, now, stepAt)
  const node = notebookNode({
    time,
    seed: options.seed,
    nonce,
    faults,
    turned(noticedMs) {
      if (isServing()) enter(node.sight() === 'up' ? 'serving' : 'out')
      options.turned?.(noticedMs)
    },
  })
  const ups: Span[] = []
  let upFromMs = 0

  let token: SessionToken | null = null
  let work: Work | null = null
  let deadlineMs = now() + enrolMs
  let marginMs = 0
  let step = 0
  let firstStep = 0
  let stretch = { fromMs: 0, step: 0, stepMs: 1 }
  let savedStep = 0
  let savedMs = 0
  let slowestSaveMs = 0
  let stopAsked = false
  let saveAsked = false
  /** A checkpoint on this disk that the service has not taken yet. */
  let carried: { readonly step: number; readonly trainedMs: number } | null = null
  let failure: { readonly atMs: number; readonly class: Failure['class'] } | null = null
  let setupEndsMs = 0
  // One lane each: what it does, a checkpoint under way, what goes wrong.
  let main: Handle | null = null
  let carrier: Handle | null = null
  let fault: Handle | null = null
  let freezing: Handle | null = null

  const isOver = (): boolean => clock.phase() === 'over'
  const isServing = (): boolean => clock.phase() === 'serving' || clock.phase() === 'out'
  const enter = (phase: Phase): void => {
    const before = clock.phase()
    if (phase === 'serving' && before !== 'serving') upFromMs = now()
    if (phase !== 'serving' && before === 'serving') ups.push({ fromMs: upFromMs, toMs: now() })
    clock.enter(phase)
  }
  const noisy = (ms: number): number =>
    Math.max(1, Math.round(ms * (1 + faults.stepNoiseShare * random.uniform(-1, 1))))
  const soon = (ms: number, doing: () => unknown): void => {
    time.cancel(main)
    main = time.at(now() + ms, doing)
  }

  /** The step that was reached at that moment, which lies in the present stretch or later than it. */
  function stepAt(ms: number): number {
    if (clock.phase() !== 'training') return step
    const made = Math.floor((ms - stretch.fromMs) / stretch.stepMs)
    return Math.max(stretch.step, stretch.step + made)
  }

  function finish(failed: boolean, message: string | null): void {
    if (isOver()) return
    kill()
    place.ended(failed, message)
  }

  function kill(): void {
    if (isOver()) return
    enter('over')
    for (const handle of [main, carrier, fault, freezing]) time.cancel(handle)
    node.end()
    options.over()
  }

  /** Repeats a call until the service takes it, fences this notebook off, or its time is over. */
  async function deliver(
    call: () => Promise<Taken>,
    taken: () => unknown,
    waitMs = secondMs,
  ): Promise<void> {
    const answer = await call()
    if (isOver()) return
    if (answer === 'fenced') finish(true, 'fenced: another session has the run')
    else if (answer === 'accepted') await taken()
    else if (now() + waitMs > deadlineMs)
      finish(true, 'its time was over before the service answered')
    else soon(waitMs, () => deliver(call, taken, Math.min(2 * waitMs, longestWaitMs)))
  }

  async function enrol(waitMs: number): Promise<void> {
    const answer = await control.enrol(ticket, nonce)
    if (isOver()) return
    if (answer.kind === 'refused') {
      finish(true, `the service did not let this session in: ${answer.code}`)
      return
    }
    if (answer.kind === 'away') {
      if (now() + waitMs > deadlineMs) finish(true, 'the service did not answer')
      else soon(waitMs, () => enrol(Math.min(2 * waitMs, longestWaitMs)))
      return
    }
    token = answer.token
    work = answer.work
    deadlineMs = now() + answer.secondsLeft * secondMs
    marginMs = Math.min(60 * secondMs, 0.05 * answer.secondsLeft * secondMs)
    step = work.kind === 'training' ? work.resumeStep : 0
    firstStep = step
    savedStep = step
    beats.begin(answer.heartbeatSeconds * secondMs)
    enter('setup')
    const setupMs = noisy(pace.setupSeconds * secondMs)
    setupEndsMs = now() + setupMs
    const sad = luck.failure
    if (sad !== null) {
      // A probe fails half-way through the setup, memory in the first step, a bug anywhere.
      const laterMs =
        sad === 'notebook_bug'
          ? luck.moment * answer.secondsLeft * secondMs
          : sad === 'out_of_memory'
            ? setupMs + 1
            : setupMs / 2
      failure = { atMs: now() + laterMs, class: sad }
      fault = time.at(failure.atMs, fail)
    }
    freezeLater()
    soon(setupMs, begin)
  }

  function begin(): void {
    savedMs = now()
    if (now() >= deadlineMs - marginMs) leave('limit')
    else if (work?.kind === 'serving') {
      node.begin()
      options.ready?.()
      serve()
    } else train()
  }

  function serve(): void {
    enter(node.sight() === 'up' ? 'serving' : 'out')
    soon(Math.max(0, deadlineMs - marginMs - now()), () => leave('limit'))
  }

  function train(): void {
    enter('training')
    stretch = { fromMs: now(), step, stepMs: noisy(pace.stepSeconds * secondMs) }
    plan()
  }

  const leavingMs = (): number => 2 * slowestSaveMs + marginMs

  /** When the present stretch of steps is broken off: by a save that is due, the target, the time, or an order. */
  function plan(): void {
    if (work?.kind !== 'training') return
    const { fromMs, stepMs } = stretch
    const made = Math.floor((now() - fromMs) / stepMs)
    const least = now() > fromMs + made * stepMs ? made + 1 : made
    const ordered = stopAsked || saveAsked ? least : Number.POSITIVE_INFINITY
    const byClock = Math.ceil((savedMs + work.saveSeconds * secondMs - fromMs) / stepMs)
    const bySteps = work.saveSteps > 0 ? work.saveSteps - (stretch.step % work.saveSteps) : byClock
    const byTime = Math.floor((deadlineMs - leavingMs() - 2 * stepMs - fromMs) / stepMs) + 1
    const bySession = (work.sessionSteps ?? work.targetSteps) + firstStep - stretch.step
    const byTarget = work.targetSteps - stretch.step
    const atLeastOne = Math.max(1, Math.min(byClock, bySteps))
    const steps = Math.max(least, Math.min(ordered, atLeastOne, byTime, bySession, byTarget))
    time.cancel(main)
    main = time.at(fromMs + steps * stepMs, () => arrive(stretch.step + steps))
  }

  function arrive(at: number): void {
    if (work?.kind !== 'training') return
    step = at
    const handsOver = work.sessionSteps !== null && step - firstStep >= work.sessionSteps
    const isLate = deadlineMs - now() < 2 * stretch.stepMs + leavingMs()
    const why =
      step >= work.targetSteps
        ? 'finished'
        : stopAsked
          ? 'stopped'
          : handsOver || isLate
            ? 'limit'
            : null
    saveAsked = false
    if (step > savedStep) save(why)
    else if (why !== null) leave(why)
    else train()
  }

  function save(why: Report['outcome'] | null): void {
    const trainedMs = clock.trainedMs()
    enter('saving')
    const takesMs = noisy(pace.saveTakes * secondMs)
    soon(takesMs, async () => {
      slowestSaveMs = Math.max(slowestSaveMs, takesMs)
      savedStep = step
      savedMs = now()
      carried = { step, trainedMs }
      time.cancel(carrier)
      const ends = why ?? (stopAsked ? 'stopped' : null)
      if (ends !== null) {
        leave(ends)
        return
      }
      await carry(secondMs)
      if (!isOver()) train()
    })
  }

  /** Brings the newest checkpoint to the service beside the training, and tries again while nobody takes it. */
  async function carry(waitMs: number): Promise<void> {
    if (carried === null || token === null) return
    const { step: at, trainedMs } = carried
    const answer = await control.commit(token, at, 'checkpoint')
    if (isOver()) return
    if (answer === 'fenced') finish(true, 'fenced: another session has the run')
    else if (answer === 'accepted') {
      clock.keep(trainedMs)
      carried = null
    } else {
      carrier = time.at(now() + waitMs, () => carry(Math.min(2 * waitMs, longestWaitMs)))
    }
  }

  /** No more steps: what is not with the service yet is brought there, and the report after it. */
  function leave(outcome: Report['outcome']): void {
    const holder = token
    if (holder === null) return
    time.cancel(carrier)
    time.cancel(fault)
    time.cancel(freezing)
    node.end()
    enter('leaving')
    const report = (as: Report['outcome']) =>
      deliver(
        () => control.report(holder, { outcome: as, step, failure: null, logTail: '' }),
        () => finish(false, null),
      )
    const artifact = () => {
      if (outcome !== 'finished') return report(outcome)
      const takesMs = noisy(pace.artifactTakes * secondMs)
      if (now() + takesMs > deadlineMs) return report('limit') // the next session makes up for it
      enter('saving')
      soon(takesMs, () => {
        enter('leaving')
        return deliver(
          () => control.commit(holder, step, 'artifact'),
          () => report('finished'),
        )
      })
      return undefined
    }
    const last = carried
    if (last === null) {
      soon(0, artifact)
      return
    }
    soon(0, () =>
      deliver(
        () => control.commit(holder, last.step, 'checkpoint'),
        () => {
          clock.keep(last.trainedMs)
          carried = null
          return artifact()
        },
      ),
    )
  }

  function fail(): void {
    const holder = token
    if (failure === null || holder === null || clock.phase() === 'leaving') return
    const why: Failure = { class: failure.class, message: luck.words, line: null }
    step = stepAt(now())
    for (const handle of [main, carrier, freezing]) time.cancel(handle)
    enter('leaving')
    soon(0, () =>
      deliver(
        () =>
          control.report(holder, { outcome: 'failed', step, failure: why, logTail: luck.words }),
        () => finish(true, luck.words),
      ),
    )
  }

  function freezeLater(): void {
    const hours = random.exponential(1) / faults.freezesPerGpuHour // infinitely many without freezes
    freezing = time.at(now() + hours * hourMs, freeze)
  }

  function freeze(): void {
    const before = clock.phase()
    step = stepAt(now())
    for (const handle of [main, carrier, fault]) time.cancel(handle)
    enter('frozen')
    options.frozen?.()
    // A heartbeat that is a quarter late is missed.
    if (before === 'serving') options.turned?.(now() + 15 * secondMs)
    const wakesMs = now() + random.exponential(faults.freezeMinutes) * 60 * secondMs
    beats.frozen.push({ fromMs: now(), toMs: wakesMs })
    const setupLeftMs = Math.max(0, setupEndsMs - now())
    freezing = time.at(wakesMs, async () => {
      if (failure !== null) fault = time.at(failure.atMs, fail)
      freezeLater()
      enter(before)
      if (before === 'setup') soon(setupLeftMs, begin)
      else if (before === 'serving' || before === 'out') serve()
      else await goOn()
      if (!isOver()) await beat(step, now())
    })
  }

  /** It does not know how long it was away: what was under way goes on, a checkpoint or a step. */
  async function goOn(): Promise<void> {
    if (step > savedStep && luck.wakesInSave) {
      carried = { step, trainedMs: clock.trainedMs() }
      savedStep = step
      savedMs = now()
    }
    const isBusy = step > savedStep
    if (carried !== null && luck.wakesInSave) await carry(secondMs)
    else carrier = time.at(now() + secondMs, () => carry(secondMs))
    if (isOver()) return
    if (isBusy) save(null)
    else train()
  }

  async function beat(at: number, sentMs: number): Promise<void> {
    if (token === null || isOver()) return
    const answer = await control.beat(token, at, nodeAt(sentMs))
    if (!isOver()) obey(answer, sentMs)
  }

  /** What a heartbeat of that moment says of the model. */
  const nodeAt = (ms: number): NodeSaid | null => (work?.kind === 'serving' ? node.said(ms) : null)

  function obey(answer: BeatAnswer, sentMs: number): void {
    if (answer.order === 'away') return
    if (answer.order === 'fenced') {
      finish(true, 'fenced: another session has the run')
      return
    }
    const closerMs = now() + answer.secondsLeft * secondMs
    const isCloser = closerMs < deadlineMs - secondMs
    deadlineMs = Math.min(deadlineMs, closerMs)
    const isNews = answer.order === 'stop' && !stopAsked
    if (isNews) stopAsked = true
    if (answer.order === 'checkpoint_now') saveAsked = true
    const phase = clock.phase()
    if (answer.order === 'restart' && isServing()) node.restart(sentMs)
    if (phase === 'training' && (isCloser || isNews || saveAsked)) plan()
    else if (isNews && (phase === 'setup' || isServing())) leave('stopped')
    else if (isCloser && isServing()) serve()
  }

  soon(noisy(pace.bootSeconds * secondMs), () => {
    deadlineMs = now() + enrolMs
    return enrol(secondMs)
  })

  return {
    name: place.name,
    account: place.account,
    token: () => token,
    beatsDue: beats.due,
    async pollOrders() {
      if (isOver() || clock.phase() === 'frozen') return
      const due = beats.due(now())
      if (due === null) return
      beats.delivered(due)
      for (let copy = 0; copy < due.copies; copy += 1) await beat(due.step, due.sentMs)
    },
    kill,
    spent: clock.spent,
    ups: () =>
      clock.phase() === 'serving' ? [...ups, { fromMs: upFromMs, toMs: now() }] : [...ups],
    // A machine that stands still takes its end of the tunnel with it.
    sight: () => (isServing() ? node.sight() : 'tunnel-gone'),
  }
}
