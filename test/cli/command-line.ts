import { fileURLToPath } from 'node:url'
import { afterEach, vi } from 'vitest'
import { main } from '../../src/cli/program.ts'
import type { RunningService } from '../http/service.ts'

const place = { root: new URL('../../', import.meta.url), entry: fileURLToPath(import.meta.url) }

/** Commands as a person gives them to that service; what they leave behind in this process goes after each test. */
export function commandLine(service: () => RunningService) {
  afterEach(() => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
    process.exitCode = undefined
  })

  /** What a command line prints, on both channels, and its exit status. */
  async function run(...argv: string[]): Promise<{ out: string; err: string; status: number }> {
    vi.stubEnv('RODIZIO_URL', service().url)
    vi.stubEnv('RODIZIO_TOKEN', service().adminToken)
    vi.stubEnv('RODIZIO_DATA_DIR', service().folder)
    const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const status = await main(argv, place)
    const [printed, said] = [out, err].map(({ mock }) => mock.calls.map(([text]) => text).join(''))
    vi.restoreAllMocks()
    return { out: printed ?? '', err: said ?? '', status }
  }

  return { run, json: async (...argv: string[]) => JSON.parse((await run(...argv, '--json')).out) }
}
