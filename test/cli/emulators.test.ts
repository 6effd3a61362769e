import { afterEach, expect, it, vi } from 'vitest'
import { main } from '../../src/cli/program.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const place = { root: new URL('../../', import.meta.url), entry: import.meta.filename }

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.exitCode = undefined
})

it.each(['--smtp-port', '--tunnels-port', '--target-port', '--claim-seconds'])(
  'emulators: %s that is no number is refused by its name, before anything starts',
  async (option) => {
    using folder = temporaryFolder()
    vi.stubEnv('RODIZIO_DATA_DIR', folder.path)
    const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    for (const value of ['many', '-1', '']) {
      expect(await main(['emulators', `${option}=${value}`, '--state', folder.path], place)).toBe(2)
    }
    expect(err.mock.calls.join('')).toContain(`${option} is a number from 0 on, not many`)
  },
)
