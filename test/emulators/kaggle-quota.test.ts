import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultSettings } from '../../src/emulators/kaggle/options.ts'
import { bookOf, refreshAfter, refusal } from '../../src/emulators/kaggle/quota.ts'
import type { Session } from '../../src/emulators/kaggle/state.ts'
import { addSeconds, iso } from '../../src/lib/clock.ts'
import {
  FOREVER,
  freshEmulator,
  kernelsCall,
  notebook,
  push,
  reaches,
  startingAt,
} from './kaggle-fixture.ts'

const HOUR = 3600
const now = new Date('2026-11-25T12:00:00Z') // a Wednesday

const session = (startedHoursAgo: number, hours: number | 'running', gpu = true): Session => {
  const startedAt = addSeconds(now, -startedHoursAgo * HOUR)
  return {
    id: 1,
    kernelId: 1,
    owner: 'ana',
    slug: 'a-kernel',
    version: 1,
    gpu,
    state: hours === 'running' ? 'RUNNING' : 'COMPLETE',
    failureMessage: null,
    queuedAt: iso(startedAt),
    dueAt: iso(startedAt),
    limitSeconds: 12 * HOUR,
    startedAt: iso(startedAt),
    endedAt: hours === 'running' ? null : iso(addSeconds(startedAt, hours * HOUR)),
    pid: null,
    processStartedAt: null,
  }
}

const SLOT = 'Maximum batch GPU session count of 2 reached.'
const WEEK = 'Maximum weekly GPU quota of 30.00 hours reached.'
const PROJECTION =
  'Session cannot start because currently running sessions are projected to exceed maximum weekly GPU quota of 30. Cancelling running sessions may allow starting new sessions.'

describe('a refusal in the words of the service', () => {
  it.each([
    ['nothing used', [], null],
    ['one runs, few hours used', [session(1, 'running')], null],
    ['two run', [session(1, 'running'), session(2, 'running')], SLOT],
    ['two run without a GPU', [session(1, 'running', false), session(2, 'running', false)], null],
    ['the week is spent', [session(40, 30)], WEEK],
    [
      'the week is spent and both slots are full',
      [session(40, 30), session(1, 'running'), session(1, 'running')],
      WEEK,
    ],
    ['17 h used and one runs', [session(40, 17), session(1, 'running')], null],
    ['18 h used and one runs', [session(40, 18), session(1, 'running')], PROJECTION],
    ['29 h used and none runs', [session(40, 29)], null],
    ['30 h used last week', [session(8 * 24, 30)], null],
  ] as const)('%s', (_why, sessions, text) => {
    expect(refusal(sessions, true, defaultSettings, now)).toBe(text)
  })
})

it('books twelve hours less its age for a running session, never less than none', () => {
  const book = (age: number) => bookOf([session(age, 'running')], defaultSettings, now)
  expect(book(0).reservedSeconds).toBe(12 * HOUR)
  expect(book(1.5)).toMatchObject({ usedSeconds: 1.5 * HOUR, reservedSeconds: 10.5 * HOUR })
  expect(book(13).reservedSeconds).toBe(0)
})

it('charges a session that spans the refresh to each week for its part', () => {
  const saturday = refreshAfter(addSeconds(now, -7 * 24 * HOUR))
  const spans = session((now.getTime() - saturday.getTime()) / 3_600_000 + 2, 5)
  expect(bookOf([spans], defaultSettings, now).usedSeconds).toBe(3 * HOUR)
})

it('refreshes on Saturdays at midnight UTC, always ahead and at most a week', () => {
  const times = fc.date({
    min: new Date('2026-01-01'),
    max: new Date('2030-01-01'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(times, (time) => {
      const refresh = refreshAfter(time)
      const ahead = refresh.getTime() - time.getTime()
      expect([refresh.getUTCDay(), refresh.getUTCHours(), refresh.getUTCMinutes()]).toEqual([
        6, 0, 0,
      ])
      expect(ahead > 0 && ahead <= 7 * 24 * 3_600_000).toBe(true)
    }),
  )
})

it('answers the quota call and refuses with 200 and an error', async () => {
  await using emulator = await freshEmulator()
  const quota = async () => (await kernelsCall(emulator, 'GetAcceleratorQuotaStatistics')).body
  expect(await quota()).toMatchObject({
    gpuQuota: {
      timeUsed: '0s',
      timeReserved: '0s',
      totalTimeAllowed: '108000s',
      hasEverRun: false,
    },
  })
  await push(emulator, 'slot-one', notebook(FOREVER))
  await push(emulator, 'slot-two', notebook(FOREVER))
  await reaches(emulator, 'slot-two', 'RUNNING')
  const third = await push(emulator, 'slot-three', notebook(FOREVER))
  expect([third.status, third.body]).toEqual([200, { error: SLOT }])
  const cpu = await push(emulator, 'on-a-cpu', notebook('1'), { enableGpu: false })
  expect(cpu.body).toMatchObject({ versionNumber: 1 })
  expect(await quota()).toMatchObject({
    gpuQuota: { timeReserved: expect.stringMatching(/^86[34]\d\ds$/), hasEverRun: true },
  })
})

it('starts a new week when virtual time passes the refresh', async () => {
  await using emulator = await freshEmulator({
    weeklyHours: 2,
    sessionCapSeconds: 3 * HOUR,
    clock: startingAt(now),
  })
  const used = async () => {
    const { body } = await kernelsCall(emulator, 'GetAcceleratorQuotaStatistics')
    return body
  }
  await push(emulator, 'long-run', notebook(FOREVER))
  await reaches(emulator, 'long-run', 'RUNNING')
  emulator.admin.advanceClock(3 * HOUR)
  await reaches(emulator, 'long-run', 'CANCEL_ACKNOWLEDGED')
  const refused = await push(emulator, 'next-run', notebook('1'))
  expect(refused.body).toEqual({ error: 'Maximum weekly GPU quota of 2.00 hours reached.' })
  emulator.admin.advanceClock(7 * 24 * HOUR)
  expect(await used()).toMatchObject({ gpuQuota: { timeUsed: '0s' } })
  expect((await push(emulator, 'next-run', notebook('1'))).body).toMatchObject({
    kernelId: expect.any(Number),
  })
})
