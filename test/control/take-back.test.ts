import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type TakeBackPorts, takeBack } from '../../src/control/take-back.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import { checkpointRows } from '../../src/store/checkpoint-rows.ts'
import { folderArtifacts } from '../../src/store/folder-artifacts.ts'
import { folderInventory } from '../../src/store/folder-inventory.ts'
import { readOpenRuns } from '../../src/store/run-rows.ts'
import { takeBackRows } from '../../src/store/take-back-rows.ts'
import { deskWorld } from './desk-world.ts'

const weights = Buffer.from('weights of the time that was lost')

/** A world whose run has one known checkpoint of step 10, right after a restore. */
async function restoredWorld() {
  const world = await deskWorld()
  const session = await world.enrolled()
  await world.commit(session, 10)
  const { db, clock, root } = world
  await db.run(
    "insert into restores values (1, '2026-03-10T12:00:00.000Z', 'b', '2026-03-10T12:00:00.000Z', 0, 1)",
  )
  const store = folderArtifacts(root)
  const told: string[] = []
  const ports: TakeBackPorts = {
    ...takeBackRows(db, () => clock.now()),
    inventory: folderInventory(root),
    read: ({ key }) => store.read(key),
    take: ({ key }, file) => store.verify(key, file),
    openRuns: () => readOpenRuns(db),
    trouble: (error) => told.push(messageOf(error)),
  }
  /** A checkpoint as a session that nobody knows any more has left it. */
  const lost = (step: number, generation: number, changes: object = {}, bytes = weights) => {
    const at = join(root, `runs/${session.runId}/checkpoints/${step}-g${generation}`)
    mkdirSync(at, { recursive: true })
    writeFileSync(join(at, 'weights.bin'), bytes)
    const file = { name: 'weights.bin', bytes: weights.length, sha256: sha256Hex(weights) }
    const manifest = {
      format: 1,
      kind: 'checkpoint',
      run: session.runId,
      session: 'ses_unknown',
      generation,
      step,
      targetSteps: 100,
      epoch: 0.5,
      engine: 'dry',
      label: 'dry',
      plan: session.workOrder.plan,
      env: {},
      metrics: { loss: 1 },
      files: [file],
      ...changes,
    }
    writeFileSync(join(at, 'manifest.json'), `${JSON.stringify(manifest)}\n`)
    return at
  }
  const steps = async () =>
    (await checkpointRows(db, () => clock.now()).committed(session.runId)).map(
      ({ step, generation }) => [step, generation],
    )
  return { world, ports, lost, steps, told, session, take: () => takeBack(ports) }
}

describe('after a restore', () => {
  it('what a run had committed since is taken back, the furthest two, and only once', async () => {
    const { world, lost, steps, take } = await restoredWorld()
    await using _world = world
    for (const step of [20, 30, 40]) lost(step, 2)
    expect(await take()).toBe(2)
    expect(await steps()).toEqual([
      [40, 2],
      [30, 2],
      [10, 1],
    ])
    lost(50, 2)
    expect(await take()).toBe(0)
  })

  it('a run goes on from what was taken back', async () => {
    const { world, lost, take } = await restoredWorld()
    await using _world = world
    lost(40, 2)
    await take()
    const run = await world.look.run('one')
    expect(run?.step).toBe(40)
  })

  it.each<[string, (lost: Awaited<ReturnType<typeof restoredWorld>>['lost']) => unknown]>([
    [
      'whose manifest never came',
      (lost) => {
        const at = lost(40, 2)
        writeFileSync(join(at, 'manifest.json'), '')
      },
    ],
    [
      'with a file of other bytes',
      (lost) => lost(40, 2, {}, Buffer.from('x'.repeat(weights.length))),
    ],
    ['made under another plan', (lost) => lost(40, 2, { plan: { engine: 'dry', seed: 8 } })],
    ['that lies in the folder of another step', (lost) => lost(40, 2, { step: 41 })],
    ['that says another generation', (lost) => lost(40, 2, { generation: 3 })],
    ['beyond the end of its run', (lost) => lost(101, 2)],
  ])('nothing is taken back %s; the one before it is', async (_what, spoil) => {
    const { world, lost, steps, take, told } = await restoredWorld()
    await using _world = world
    lost(20, 2)
    spoil(lost)
    expect(await take()).toBe(1)
    expect(await steps()).toEqual([
      [20, 2],
      [10, 1],
    ])
    expect(told.join()).toContain('is not taken back')
  })

  it('a store that cannot be asked now is asked again, and nothing counts as done', async () => {
    const { world, ports, lost, take } = await restoredWorld()
    await using _world = world
    lost(40, 2)
    const { AppError } = await import('../../src/lib/errors.ts')
    const away = { ...ports, read: () => Promise.reject(new AppError('unavailable', 'away')) }
    await expect(takeBack(away)).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await take()).toBe(1)
  })
})
