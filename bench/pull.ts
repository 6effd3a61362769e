import { spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startHubEmulator } from '../src/emulators/hub/server.ts'
import { systemClock } from '../src/lib/clock.ts'
import { loraTensors, safetensors, tinyAdapter } from '../test/artifacts/tiny-lora.ts'
import { commandFlags, memoryMb, program, projectRoot } from './process.ts'
import { type Figures, median, rounded } from './promises.ts'

/**
 * An adapter of 100 MB on its way from an emulated Hub that is 200 ms away and gives each connection 10 MB/s: by pull, by pull with one
 * connection, and by the Hub's own command line; and once as fast as it goes, for its memory.
 */
export const promises = [
  { figure: 'pullRssMb', atMost: 120, of: 'memory' },
  { figure: 'speedVsOneStream', atLeast: 2, of: 'time' },
  { figure: 'speedVsHf', atLeast: 0.9, of: 'time' },
] as const

const latencyMs = 200
const bytesPerSecond = 10_000_000
const rounds = 3

export async function measure(isShort: boolean): Promise<Figures> {
  const place = mkdtempSync(join(tmpdir(), 'rodizio-bench-'))
  try {
    const folder = join(place, 'models')
    mkdirSync(folder)
    const weights = safetensors(loraTensors(16, 4096, 96))
    randomFillSync(weights, weights.length - 99_000_000)
    const config = { peft_type: 'LORA', r: 16, target_modules: ['q_proj', 'v_proj'] }
    const adapter = tinyAdapter('bench', {
      files: {
        'adapter_model.safetensors': weights,
        'adapter_config.json': Buffer.from(JSON.stringify(config)),
      },
    })
    for (const [name, bytes] of [...adapter.files, ['manifest.json', adapter.manifest] as const]) {
      writeFileSync(join(folder, name), bytes)
    }
    const sum = sha256(weights)
    const repositories = [{ id: 'ana/house', folder }]
    const far = { clock: systemClock, repositories, latencyMs, bytesPerSecond }
    const slow = await startHubEmulator({ ...far, stateDir: join(place, 'slow') })
    const near = { clock: systemClock, repositories, stateDir: join(place, 'fast') }
    const fast = await startHubEmulator(near)
    try {
      const hf = hfProgram()
      const taken = { pull: [] as number[], one: [] as number[], hf: [] as number[] }
      const peaks: number[] = []
      const to = (name: string) => join(place, name)
      const pull = async (url: string, name: string, ...more: string[]) => {
        const args = ['pull', '--to', to(name), '--from', 'hub:ana/house', ...more]
        const env = { RODIZIO_HUB_URL: url, HOME: place }
        const ran = await timed(process.execPath, [...commandFlags, program, ...args], env)
        same(join(to(name), 'current/adapter_model.safetensors'), sum)
        rmSync(to(name), { recursive: true })
        peaks.push(ran.peakRssMb)
        return ran.seconds
      }
      for (let round = 0; round < (isShort ? 1 : rounds); round += 1) {
        taken.pull.push(await pull(slow.url, 'pull'))
        taken.one.push(await pull(slow.url, 'one', '--connections', '1'))
        if (hf !== null) {
          const args = ['download', 'ana/house', '--local-dir', to('hf')]
          const env = { HF_ENDPOINT: slow.url, HF_HUB_DISABLE_XET: '1', HF_HOME: to('hf-home') }
          taken.hf.push((await timed(hf, args, { ...env, HOME: place })).seconds)
          same(join(to('hf'), 'adapter_model.safetensors'), sum)
          rmSync(to('hf'), { recursive: true })
          rmSync(to('hf-home'), { recursive: true, force: true })
        }
        await pull(fast.url, 'fast')
      }
      const seconds = median(taken.pull)
      const known = Math.max(...peaks)
      return {
        megabytes: rounded(weights.length / 1e6),
        pullSeconds: rounded(seconds, 2),
        oneStreamSeconds: rounded(median(taken.one), 2),
        hfSeconds: hf === null ? null : rounded(median(taken.hf), 2),
        pullRssMb: Number.isNaN(known) || known === 0 ? null : rounded(known),
        speedVsOneStream: rounded(median(taken.one) / seconds, 2),
        speedVsHf: hf === null ? null : rounded(median(taken.hf) / seconds, 2),
      }
    } finally {
      await slow.close()
      await fast.close()
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

function same(path: string, sum: string): void {
  if (sha256(readFileSync(path)) !== sum) throw new Error(`${path} is not what was sent`)
}

/** The Hub's own command line: on the path, or beside the other clients of the tests. */
function hfProgram(): string | null {
  const places = [
    ...(process.env.PATH ?? '').split(delimiter),
    join(projectRoot, '.venvs/clients/bin'),
  ]
  return places.map((place) => join(place, 'hf')).find(existsSync) ?? null
}

/** Runs a program to its end: how long it takes from its start, and its memory at the highest. */
async function timed(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly seconds: number; readonly peakRssMb: number }> {
  const began = performance.now()
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (part) => {
    said = (said + part).slice(-2000)
  })
  let ended = 0
  child.once('exit', () => {
    ended = performance.now()
  })
  const closed = once(child, 'close')
  let peakRssMb = 0
  while (ended === 0) {
    peakRssMb = Math.max(peakRssMb, memoryMb(child.pid ?? 0, 'VmHWM') || 0)
    await delay(20)
  }
  const [code] = await closed
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${said}`)
  return { seconds: (ended - began) / 1000, peakRssMb }
}
