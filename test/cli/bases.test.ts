import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { listedBases } from '../../src/cli/bases.ts'
import { main } from '../../src/cli/program.ts'

const place = { root: new URL('../../', import.meta.url), entry: fileURLToPath(import.meta.url) }

/** What a command line prints, on both channels, and its exit status. */
async function run(...argv: string[]): Promise<{ out: string; err: string; status: number }> {
  const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const status = await main(argv, place)
  const [printed, said] = [out, err].map(({ mock }) => mock.calls.map(([text]) => text).join(''))
  return { out: printed ?? '', err: said ?? '', status }
}

afterEach(() => vi.restoreAllMocks())

describe('rodizio bases', () => {
  it('lists every base with what speaks for and against it', async () => {
    const { out, status } = await run('bases')
    expect(status).toBe(0)
    expect(out).toMatch(/^BASE +STORED +DOWNLOAD +CONTEXT +LEAST GPU +GATED +COMMIT +LICENCE$/m)
    expect(out).toMatch(/^meta-llama\/Llama-3\.1-8B-Instruct .*16\.1 GB .*gated .*Llama 3\.1 Comm/m)
    expect(out).toMatch(/^unsloth\/gemma-7b-it-bnb-4bit .* main +Gemma Terms of Use$/m)
    for (const { id } of listedBases()) expect(out).toContain(id)
  })

  it('answers machines with all that it knows', async () => {
    const { out } = await run('bases', '--json')
    const { items } = JSON.parse(out)
    expect(items).toHaveLength(10)
    expect(items[7]).toEqual({
      id: 'microsoft/Phi-3-mini-4k-instruct',
      model: 'Phi-3 mini 4k Instruct',
      from: expect.any(String),
      revision: expect.stringMatching(/^[0-9a-f]{40}$/),
      architecture: 'phi3',
      template: 'Phi-3',
      stored: '16-bit',
      licence: 'MIT',
      gated: false,
      context: 4096,
      weights: 3_821_079_552,
      sizeBytes: 7_642_159_104,
      leastGpuGb: 5,
      targets: ['qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj'],
    })
  })
})

describe('train start --targets', () => {
  it.each([
    [['--targets', ' , '], '--targets names no layer'],
    [['--targets', 'q_proj', '--set', 'targets=["v_proj"]'], 'are the same'],
  ])('%j is refused before anything is asked of a service', async (flags, message) => {
    vi.stubEnv('RODIZIO_URL', 'http://127.0.0.1:9')
    vi.stubEnv('RODIZIO_TOKEN', 'rz_none')
    const { err, status } = await run('train', 'start', '--data', 'x', ...flags)
    vi.unstubAllEnvs()
    expect(err).toContain(message)
    expect(status).toBe(2)
  })
})
