import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { goLive, type Reload } from '../../src/control/go-live.ts'
import { versionFolder } from '../../src/store/version-folder.ts'
import { temporaryFolder } from '../temporary-folder.ts'

let place: ReturnType<typeof temporaryFolder>
let folder: ReturnType<typeof versionFolder>
/** What serves, by what it was told. */
let serving: string | null
let bad: Set<string>
const reload: Reload = async ({ name, path }) => {
  if (bad.has(name)) throw new Error(`${path} has weights that do not fit`)
  serving = name
}

beforeEach(() => {
  place = temporaryFolder()
  folder = versionFolder(place.path)
  for (const version of ['v1', 'v2', 'v3'])
    mkdirSync(join(place.path, 'versions', version), { recursive: true })
  serving = null
  bad = new Set()
})
afterEach(() => place[Symbol.dispose]())

describe('a version that goes live', () => {
  it('is led to and loaded, once', async () => {
    expect(await goLive(folder, 'v1', reload)).toBe('live')
    expect([await folder.current(), serving]).toEqual(['v1', 'v1'])
    serving = null
    expect(await goLive(folder, 'v1', reload)).toBe('unchanged')
    expect(serving).toBeNull()
  })

  it('gives way to the one before when it cannot be loaded, and says so', async () => {
    await goLive(folder, 'v1', reload)
    bad.add('v2')
    const failed = goLive(folder, 'v2', reload)
    await expect(failed).rejects.toMatchObject({ code: 'reload_failed' })
    await expect(failed).rejects.toThrow(/v2 could not be loaded: .*do not fit.*v1 serves again/)
    expect([await folder.current(), serving]).toEqual(['v1', 'v1'])
    expect(await folder.told()).toEqual({ serving: 'v1', refused: 'v2' })
  })

  it('says what serves when nothing can be loaded', async () => {
    await goLive(folder, 'v1', reload)
    bad.add('v1').add('v2')
    await expect(goLive(folder, 'v2', reload)).rejects.toThrow(
      'v1 again, which could not be loaded either',
    )
    bad.delete('v2')
    expect(await goLive(folder, 'v2', reload)).toBe('live')
    bad.add('v3')
    await expect(goLive(versionFolder(join(place.path)), 'v3', reload)).rejects.toThrow(
      'v2 serves again',
    )
  })

  it('is told once more after a death between the link and the telling', async () => {
    await goLive(folder, 'v1', reload)
    await folder.switchTo('v2') // and dies
    bad.add('v2')
    await expect(goLive(folder, 'v2', reload)).rejects.toThrow('v1 serves again')
    expect(await folder.current()).toBe('v1')
    await folder.switchTo('v2')
    bad.clear()
    expect(await goLive(folder, 'v2', reload)).toBe('live')
    expect(serving).toBe('v2')
  })

  it('needs nobody who is told', async () => {
    expect(await goLive(folder, 'v1', null)).toBe('live')
    expect(await goLive(folder, 'v1', null)).toBe('unchanged')
    expect(await folder.current()).toBe('v1')
  })

  it('keeps three, the one before among them', async () => {
    for (const version of ['v4', 'v5']) mkdirSync(join(place.path, 'versions', version))
    await goLive(folder, 'v1', reload)
    mkdirSync(join(place.path, 'versions', 'v2'), { recursive: true })
    await goLive(folder, 'v2', reload)
    expect((await folder.list()).length).toBe(3)
    expect(await folder.list()).toEqual(expect.arrayContaining(['v1', 'v2']))
  })
})
