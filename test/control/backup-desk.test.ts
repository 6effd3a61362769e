import { describe, expect, it } from 'vitest'
import type { Alert } from '../../src/alerts/alert.ts'
import { backupDesk, lastDue } from '../../src/control/backup-desk.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { BackupManifest } from '../../src/safekeeping/backup-manifest.ts'
import type { BackupPlace } from '../../src/safekeeping/backup-place.ts'
import { backupRows } from '../../src/store/backup-rows.ts'
import { settableClock } from '../settable-clock.ts'
import { freshDatabase } from '../store/fixture.ts'

const hour = 3600
const day = 24 * hour

/** The desk over real rows, with a place in memory and backups that are made at once, or fail as told. */
async function deskOf(first = '2026-11-22T12:00:00Z') {
  const fresh = await freshDatabase()
  const clock = settableClock(first)
  const now = () => clock.now()
  const rows = backupRows(fresh.db, now)
  const names: string[] = []
  const made = new Map<string, BackupManifest>()
  const told = new Map<string, Alert>()
  const fails = { backup: null as string | null, drill: null as string | null, place: false }
  const drilled: string[] = []
  const place: BackupPlace = {
    shown: 'folder:/there',
    folder: '/there',
    names: async () => names.toReversed(),
    read: async () => {
      throw new Error('not read here')
    },
    keep: async () => undefined,
    remove: async (name) => void names.splice(names.indexOf(name), 1),
  }
  const since = new Date(first)
  const open = () =>
    backupDesk({
      rows,
      placeOf() {
        if (fails.place) throw new AppError('invalid', 'a setting is missing')
        return place
      },
      async make() {
        if (fails.backup) throw new Error(fails.backup)
        const at = now()
        const name = `b${at.toISOString()}`
        names.push(name)
        const manifest = {
          name,
          madeAt: at.toISOString(),
          installation: await rows.installation(),
          files: [{ bytes: 5 }],
          encryption: null,
        } as unknown as BackupManifest
        made.set(name, manifest)
        return manifest
      },
      peek: async (_place, name) => made.get(name) as BackupManifest,
      bringHere: async () => '/there',
      async drill(_place, name) {
        if (fails.drill) throw new Error(fails.drill)
        drilled.push(name)
      },
      schedule: {
        minute: 210,
        jitterSeconds: 60,
        withAdapters: false,
        drills: true,
        retention: { days: 7, weeks: 4 },
      },
      wasThere: async (before) => since < before,
      isKnown: async (id) => told.has(id),
      tell: async (alert) => void told.set(alert.id, alert),
      trouble: () => undefined,
      now,
    })
  let desk = open()
  const passing = async (seconds: number, step = 300) => {
    for (let passed = 0; passed < seconds; passed += step) {
      clock.advance(step)
      await desk.look()
    }
  }
  return {
    clock,
    rows,
    names,
    drilled,
    fails,
    passing,
    look: () => desk.look(),
    desk: () => desk,
    /** The process ends, and another one begins. */
    async restart() {
      desk = open()
      await desk.begin()
    },
    says: () => [...told.values()].map(({ kind, facts }) => `${kind} ${String(facts.what)}`),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

describe('the time of a backup', () => {
  it.each([
    ['2026-11-22T03:30:59Z', '2026-11-21T03:31:00.000Z'],
    ['2026-11-22T03:31:00Z', '2026-11-22T03:31:00.000Z'],
    ['2026-11-22T23:00:00Z', '2026-11-22T03:31:00.000Z'],
  ])('at %s was last %s', (now, due) => {
    expect(lastDue(210, 60, new Date(now)).toISOString()).toBe(due)
  })
})

describe('the daily backup', () => {
  it('is made once a day at its time, and not for a time before the service was there', async () => {
    await using world = await deskOf()
    await world.look()
    expect(world.names).toEqual([])
    await world.passing(3 * day)
    expect(world.names.map((name) => name.slice(0, 17))).toEqual([
      'b2026-11-23T03:35',
      'b2026-11-24T03:35',
      'b2026-11-25T03:35',
    ])
    expect(world.says()).toEqual([])
  })

  it('that was missed is made up for once, also over restarts', async () => {
    await using world = await deskOf()
    await world.passing(day)
    world.clock.advance(10 * day)
    for (let start = 0; start < 3; start += 1) {
      await world.restart()
      await world.look()
    }
    expect(world.names.length).toBe(2)
  })

  it('that fails is tried again each hour, told once, and its return is told', async () => {
    await using world = await deskOf()
    await world.passing(day)
    world.fails.backup = 'the disk is full'
    await world.passing(17 * hour)
    expect(world.says()).toEqual(['backup-failed backup-failed'])
    await world.passing(7 * hour)
    const [newest] = await world.rows.newest('backup', 1)
    expect(newest).toMatchObject({ outcome: 'failed', why: 'the disk is full' })
    const tries = (await world.rows.newest('backup', 100)).length
    expect(tries).toBeGreaterThan(6)
    expect(tries).toBeLessThan(12)
    await world.passing(day, hour)
    expect(world.says()).toEqual(['backup-failed backup-failed', 'backup-failed backup-late'])
    world.fails.backup = null
    await world.passing(2 * hour)
    await world.passing(day)
    expect(world.says()).toEqual([
      'backup-failed backup-failed',
      'backup-failed backup-late',
      'backup-recovered backup-good',
    ])
  })

  it('to a place that the settings do not lead to has failed, and is told; a slip of who asks is not', async () => {
    await using world = await deskOf()
    world.fails.place = true
    await expect(world.desk().create('s3://there', false)).rejects.toThrow('missing')
    expect(await world.rows.newest('backup', 9)).toEqual([])
    await world.passing(17 * hour)
    expect(world.says()).toEqual(['backup-failed backup-failed'])
    const tries = await world.rows.newest('backup', 9)
    expect(tries.map(({ why }) => why)).toEqual(['a setting is missing', 'a setting is missing'])
  })

  it('of a process that died in the middle counts as failed', async () => {
    await using world = await deskOf()
    await world.passing(day)
    await world.rows.begin('backup', 'folder:/there')
    await world.restart()
    const state = await world.desk().state()
    expect(state.failure).toBe('the service ended meanwhile')
    expect(state.lastBackup?.name).toBe(world.names[0])
  })

  it('goes when newer ones are there, but never the newest that was proven', async () => {
    await using world = await deskOf()
    await world.passing(2 * day)
    const proven = world.drilled[0]
    world.fails.drill = 'a page is damaged'
    await world.passing(30 * day, 3 * hour)
    expect(world.names.length).toBeLessThanOrEqual(14)
    expect(world.names).toContain(proven)
  })
})

describe('the weekly drill', () => {
  it('is made once a week from the first backup on', async () => {
    await using world = await deskOf()
    await world.passing(16 * day, hour)
    expect(world.drilled.length).toBe(3)
  })

  it('that fails is told once, and late after eight days', async () => {
    await using world = await deskOf()
    await world.passing(2 * day)
    world.fails.drill = 'a page is damaged'
    await world.passing(20 * day, 3 * hour)
    expect(world.says()).toEqual(['backup-failed drill-failed', 'backup-failed drill-late'])
  })
})

it('while one is under way another is refused', async () => {
  await using world = await deskOf()
  const first = world.desk().create(undefined, false)
  await expect(world.desk().create(undefined, false)).rejects.toMatchObject({
    kind: 'conflict',
    code: 'backup_running',
  })
  await first
  await world.desk().create(undefined, false)
})
