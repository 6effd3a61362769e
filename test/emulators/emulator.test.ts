import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startColabEmulator } from '../../src/emulators/colab/server.ts'
import { startGoogleEmulator } from '../../src/emulators/google/server.ts'
import { startKaggleEmulator } from '../../src/emulators/kaggle/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const runnerPath = 'unused'
const emulators = [
  ['kaggle', startKaggleEmulator],
  ['google', startGoogleEmulator],
  ['colab', startColabEmulator],
] as const

describe.each(emulators)('the emulated %s', (name, start) => {
  it('has its folder alone, and its port and its clock again at the next start', async () => {
    using folder = temporaryFolder()
    const options = { stateDir: folder.path, clock: systemClock, runnerPath }
    const first = await start(options)
    await expect(start(options)).rejects.toMatchObject({ code: 'emulator_running' })
    first.admin.advanceClock(86_400)
    await first.close()
    await using second = await start(options)
    expect(second.port).toBe(first.port)
    const ahead = Date.parse(second.admin.state().now) - systemClock.now().getTime()
    expect(ahead).toBeGreaterThan(86_000_000)
    second.reset()
    expect(Date.parse(second.admin.state().now)).toBeLessThan(systemClock.now().getTime() + 60_000)
  })

  it('refuses a memory that is not its own, and lets go of the folder', async () => {
    using folder = temporaryFolder()
    const options = { stateDir: folder.path, clock: systemClock, runnerPath }
    await (await start(options)).close()
    const file = join(folder.path, name, 'state.json')
    writeFileSync(file, '{"format":0}')
    await expect(start(options)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(file),
    })
    rmSync(file)
    await using again = await start(options)
    expect(again.admin.state().faults).toEqual([])
  })

  it('takes orders with its token alone, and says what is wrong with one', async () => {
    using folder = temporaryFolder()
    await using emulator = await start({ stateDir: folder.path, clock: systemClock, runnerPath })
    const state = `${emulator.url}/_emulator/state`
    const headers = { 'x-emulator-token': emulator.adminToken }
    expect((await fetch(state, { headers })).status).toBe(200)
    expect((await fetch(state)).status).toBe(401)
    expect((await fetch(`${emulator.url}/_emulator/nothing`, { headers })).status).toBe(404)
    const clock = `${emulator.url}/_emulator/clock`
    expect((await fetch(clock, { headers, method: 'POST', body: '{}' })).status).toBe(400)
  })
})
