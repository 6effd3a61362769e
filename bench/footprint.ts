import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { answers, memoryMb, serve } from './process.ts'
import { type Figures, median, rounded } from './promises.ts'

/** Memory and start of the shipped service, emulators off: what the 1 GB machine has to carry all day. */
export const promises = [
  { figure: 'idleRssMb', atMost: 90, of: 'memory' },
  { figure: 'coldStartMs', atMost: 300, of: 'time' },
] as const

const starts = 7
const idleSeconds = 30

export async function measure(): Promise<Figures> {
  const full = await figuresOf([])
  const quarter = quarterCpu()
  try {
    const slow = quarter ? await figuresOf(quarter.wrap) : { coldStartMs: null, idleRssMb: null }
    return {
      ...full,
      coldStartQuarterCpuMs: slow.coldStartMs,
      idleRssQuarterCpuMb: slow.idleRssMb,
    }
  } finally {
    quarter?.remove()
  }
}

async function figuresOf(wrap: readonly string[]) {
  const place = mkdtempSync(join(tmpdir(), 'rodizio-bench-'))
  try {
    const cold: number[] = []
    for (let start = 0; start < starts; start += 1) {
      const served = await serve(join(place, 'data'), wrap)
      cold.push(served.coldStartMs)
      await served.stop()
    }
    const served = await serve(join(place, 'data'), wrap)
    for (let request = 0; request < 10; request += 1) await answers(`${served.url}/health`)
    const samples: number[] = []
    for (let second = 0; second < idleSeconds; second += 1) {
      await delay(1000)
      samples.push(memoryMb(served.child.pid ?? 0, 'VmRSS'))
    }
    await served.stop()
    return { idleRssMb: rounded(median(samples)), coldStartMs: rounded(median(cold), 0) }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** A control group with a quarter of one CPU, by whichever of the two interfaces is writable here; undefined without. */
export function quarterCpu(): { readonly wrap: readonly string[]; remove(): void } | undefined {
  const name = `rodizio-bench-${process.pid}`
  const tries = [
    { folder: `/sys/fs/cgroup/cpu/${name}`, file: 'cpu.cfs_quota_us', text: '25000' },
    { folder: `/sys/fs/cgroup/${name}`, file: 'cpu.max', text: '25000 100000' },
  ]
  for (const { folder, file, text } of tries) {
    try {
      mkdirSync(folder)
      writeFileSync(join(folder, file), text)
      return {
        // exec, so that the process that is measured keeps the pid of the one that was started.
        wrap: ['sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh'],
        remove: () => rmdirSync(folder),
      }
    } catch {
      rmSync(folder, { recursive: true, force: true }) // not writable here: try the next
    }
  }
  return undefined
}
