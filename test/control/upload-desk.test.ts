import { describe, expect, it } from 'vitest'
import { deskWorld, file } from './desk-world.ts'

describe('a store that is full', () => {
  it('loses older checkpoints of the run, and the upload goes on', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    for (const step of [1, 2, 3]) await world.commit(session, step)
    world.room.refusals = 1
    await world.commit(session, 4)
    const kept = await world.checkpoints.committed('run_one')
    expect(kept.map(({ step }) => step)).toEqual([4, 3])
    expect(world.room.missing).toEqual([])
  })

  it('keeps the newest checkpoint, refuses the upload, and says how much had no room', async () => {
    await using world = await deskWorld()
    const session = await world.enrolled()
    for (const step of [1, 2, 3]) await world.commit(session, step)
    world.room.refusals = 2
    await expect(world.uploads.open(session.token, 'checkpoint', 4, [file])).rejects.toMatchObject({
      kind: 'disk-full',
    })
    const later = await world.uploads.open(session.token, 'checkpoint', 4, [file])
    expect(later.files[0]?.url).not.toBeNull()
    const kept = await world.checkpoints.committed('run_one')
    expect(kept.map(({ step }) => step)).toEqual([3])
    world.room.refusals = 1
    await expect(world.uploads.open(session.token, 'checkpoint', 5, [file])).rejects.toThrow(
      'no room',
    )
    expect(world.room.missing).toEqual([file.bytes])
  })
})
