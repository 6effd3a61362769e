import { describe, expect, it } from 'vitest'
import type {
  LaunchResult,
  Observed,
  SessionProvider,
} from '../../src/rotation/session-provider.ts'
import { accountOf } from '../store/fixture.ts'

/** What a notebook does: run until it is ended, end at once, or fail at once. */
export type Behaviour = 'runs' | 'ends' | 'fails'

export interface KaggleWorldSettings {
  /** UTC ISO text. */
  readonly startsAt: string
  readonly weeklyHours: number
  /** How long a session is queued, in seconds, give or take a half. */
  readonly queueSeconds: number
}

/** One Kaggle, whatever it is made of, with the user `ana`. */
export interface KaggleWorld extends AsyncDisposable {
  readonly provider: SessionProvider
  now(): Date
  advance(seconds: number): Promise<void>
  /** Waits, by as little as it takes, until that is so. */
  until(what: string, is: () => Promise<boolean>): Promise<void>
  notebook(behaviour: Behaviour): string
}

const HOUR = 3600
const friday = '2026-11-27T20:00:00.000Z' // four hours before a refresh
const monday = '2026-11-30T08:00:00.000Z'
const refresh = '2026-12-05T00:00:00.000Z'
const ana = accountOf('ana')
/** Real processes start and end a little late, and clocks are read one after the other. */
const seconds = 30

const SLOT = 'Maximum batch GPU session count of 2 reached.'
const WEEK = 'Maximum weekly GPU quota of 3.00 hours reached.'
const PROJECTION =
  'Session cannot start because currently running sessions are projected to exceed maximum weekly GPU quota of 30. Cancelling running sessions may allow starting new sessions.'

/** What every Kaggle does with sessions, through the port that the rotation knows. */
export function kaggleSessionsContract(
  kind: string,
  open: (settings: KaggleWorldSettings) => Promise<KaggleWorld>,
): void {
  const opened = async (settings: Partial<KaggleWorldSettings> = {}) => {
    const world = await open({ startsAt: monday, weeklyHours: 30, queueSeconds: 0.2, ...settings })
    const { provider } = world
    const observe = (name: string): Promise<Observed> => provider.observe(ana, name, null)
    const launch = (
      name: string,
      behaviour: Behaviour = 'runs',
      timeoutSeconds = 12 * HOUR,
    ): Promise<LaunchResult> =>
      provider.launch({
        account: ana,
        name,
        notebook: world.notebook(behaviour),
        timeoutSeconds,
        outputsOf: [],
        models: [],
      })
    const reaches = (name: string, state: Observed['kind']) =>
      world.until(`${name} ${state}`, async () => (await observe(name)).kind === state)
    return {
      observe,
      launch,
      reaches,
      advance: world.advance,
      now: world.now,
      /** Launches, and waits until it runs. */
      async run(name: string, timeoutSeconds = 12 * HOUR) {
        expect(await launch(name, 'runs', timeoutSeconds)).toMatchObject({ kind: 'started' })
        await reaches(name, 'running')
      },
      async book() {
        const reading = await provider.quota(ana)
        if (reading === null) throw new Error('no reading')
        return reading
      },
      /** Seconds from now until a refused launch is worth repeating. */
      async refused(name: string) {
        const answer = await launch(name)
        if (answer.kind !== 'refused') throw new Error(`it was not refused: ${answer.kind}`)
        const { reason, retryAt } = answer
        return { reason, retryAt, waits: (retryAt.getTime() - world.now().getTime()) / 1000 }
      },
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    }
  }

  const near = (value: number, wanted: number): void => {
    expect(Math.abs(value - wanted), `${value} s, not ${wanted} s`).toBeLessThan(seconds)
  }

  describe(`sessions at ${kind}`, () => {
    it.each([
      ['ends', { kind: 'ended', failed: false, message: null }],
      ['fails', { kind: 'ended', failed: true, message: expect.any(String) }],
    ] as const)('are queued, then run; a notebook that %s is over', async (behaviour, end) => {
      await using world = await opened({ queueSeconds: 60 })
      expect(await world.launch('a-session', behaviour)).toMatchObject({ kind: 'started' })
      expect(await world.observe('a-session')).toEqual({ kind: 'queued', handle: 'a-session' })
      near((await world.book()).reservedSeconds, 12 * HOUR)
      expect((await world.book()).usedSeconds).toBe(0)
      await world.advance(95)
      await world.reaches('a-session', 'ended')
      expect(await world.observe('a-session')).toEqual(end)
      expect((await world.book()).reservedSeconds).toBe(0)
    })

    it('are absent by a name that nobody launched', async () => {
      await using world = await opened()
      expect(await world.observe('never-launched')).toEqual({ kind: 'absent' })
    })

    it('book what they use and reserve twelve hours less their age, until they end', async () => {
      await using world = await opened()
      expect(await world.book()).toMatchObject({
        account: 'ana',
        usedSeconds: 0,
        reservedSeconds: 0,
        allowedSeconds: 30 * HOUR,
        refreshesAt: new Date(refresh),
      })
      await world.run('a-session', 11 * HOUR)
      for (const hours of [0, 1.5, 10]) {
        await world.advance((hours - (hours === 10 ? 1.5 : 0)) * HOUR)
        const { usedSeconds, reservedSeconds } = await world.book()
        near(usedSeconds, hours * HOUR)
        near(reservedSeconds, (12 - hours) * HOUR)
      }
      await world.advance(HOUR)
      await world.reaches('a-session', 'ended')
      await world.advance(HOUR)
      const { usedSeconds, reservedSeconds } = await world.book()
      near(usedSeconds, 11 * HOUR)
      expect(reservedSeconds).toBe(0)
    })

    it.each([
      ['what the launch asked for', 2 * HOUR, 2 * HOUR],
      ['its own twelve hours', 20 * HOUR, 12 * HOUR],
    ])('are ended after %s', async (_why, timeout, cap) => {
      await using world = await opened()
      await world.run('a-session', timeout)
      await world.advance(cap - 2 * seconds)
      expect((await world.observe('a-session')).kind).toBe('running')
      await world.advance(2 * seconds)
      await world.reaches('a-session', 'ended')
      expect(await world.observe('a-session')).toEqual({
        kind: 'ended',
        failed: true,
        message: `Your notebook was stopped because it ran longer than ${cap} seconds.`,
      })
    })

    it('are refused while both slots are taken, queued ones too: for minutes', async () => {
      await using world = await opened({ queueSeconds: 60 })
      expect((await world.launch('slot-one')).kind).toBe('started')
      expect((await world.launch('slot-two')).kind).toBe('started')
      const { reason, waits } = await world.refused('slot-three')
      expect(reason).toBe(SLOT)
      near(waits, 300)
      expect(await world.observe('slot-three')).toEqual({ kind: 'absent' })
    })

    it('are refused while what runs would fill the week: until it ends', async () => {
      await using world = await opened()
      for (const name of ['long-one', 'long-two']) {
        await world.run(name, 9 * HOUR)
        await world.advance(9 * HOUR)
        await world.reaches(name, 'ended')
      }
      await world.run('long-three')
      const { reason, waits } = await world.refused('long-four')
      expect(reason).toBe(PROJECTION)
      near(waits, 600)
    })

    it('are refused when the week is used up: until its refresh, and then no more', async () => {
      await using world = await opened({ weeklyHours: 3 })
      await world.run('a-session', 3 * HOUR)
      await world.advance(3 * HOUR)
      await world.reaches('a-session', 'ended')
      const { reason, retryAt } = await world.refused('the-next')
      expect(reason).toBe(WEEK)
      expect(retryAt).toEqual(new Date(refresh))
      const untilRefresh = (retryAt.getTime() - world.now().getTime()) / 1000
      await world.advance(untilRefresh - seconds)
      expect((await world.refused('the-next')).retryAt).toEqual(new Date(refresh))
      await world.advance(seconds + 1)
      await world.run('the-next')
      near((await world.book()).usedSeconds, 0)
    })

    it('go on beyond the hours of the week: only a new one is refused', async () => {
      await using world = await opened({ weeklyHours: 3 })
      await world.run('a-session', 5 * HOUR)
      await world.advance(4 * HOUR)
      expect((await world.observe('a-session')).kind).toBe('running')
      near((await world.book()).usedSeconds, 4 * HOUR)
      expect((await world.refused('the-next')).reason).toBe(WEEK)
    })

    it('are started once more by a second push of their name, and both are booked', async () => {
      await using world = await opened()
      await world.run('a-session')
      await world.advance(HOUR)
      expect((await world.launch('a-session')).kind).toBe('started')
      await world.advance(5)
      await world.reaches('a-session', 'running')
      expect((await world.refused('another')).reason).toBe(SLOT)
      await world.advance(HOUR)
      const { usedSeconds, reservedSeconds } = await world.book()
      near(usedSeconds, 3 * HOUR)
      near(reservedSeconds, 21 * HOUR)
    })

    it('are counted anew from a refresh that comes while they run', async () => {
      await using world = await opened({ startsAt: friday })
      await world.run('a-session')
      await world.advance(3 * HOUR)
      near((await world.book()).usedSeconds, 3 * HOUR)
      await world.advance(3 * HOUR)
      const { usedSeconds, reservedSeconds, refreshesAt } = await world.book()
      near(usedSeconds, 2 * HOUR)
      near(reservedSeconds, 6 * HOUR)
      expect(refreshesAt).toEqual(new Date(refresh))
    })

    it('cannot be ended by force', async () => {
      await using world = await open({ startsAt: monday, weeklyHours: 30, queueSeconds: 1 })
      expect(world.provider.tells(ana)).toBe(true)
      expect(await world.provider.kill(ana, 'a-session')).toBe(false)
    })
  })
}
