import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A control group, gone at the end of its block when its processes are. */
export interface MemoryLimit extends Disposable {
  /** What goes before a command that is to run in it. */
  readonly wrap: readonly string[]
  /** What its processes hold of their own now, without the files that the system keeps at hand for them. */
  ownBytes(): number
  /** The most that was ever charged to it, those files among it. */
  peakBytes(): number
  /** How many of its processes were killed for memory. */
  killed(): number
}

interface Interface {
  readonly above: string
  readonly limit: string
  readonly peak: string
  readonly own: RegExp
  readonly events: string
}

/** https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html (read 2026-11). */
const interfaces: readonly Interface[] = [
  {
    above: '/sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    peak: 'memory.max_usage_in_bytes',
    own: /^total_rss (\d+)$/m,
    events: 'memory.oom_control',
  },
  {
    above: '/sys/fs/cgroup',
    limit: 'memory.max',
    peak: 'memory.peak',
    own: /^anon (\d+)$/m,
    events: 'memory.events',
  },
]

let made = 0

/** A control group with so much memory; undefined where this user may make none. */
export function memoryLimit(bytes: number): MemoryLimit | undefined {
  made += 1
  for (const { above, limit, peak, own, events } of interfaces) {
    const folder = join(above, `rodizio-test-${process.pid}-${made}`)
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    try {
      mkdirSync(folder)
    } catch {
      continue // no such interface, or not for this user
    }
    try {
      writeFileSync(join(folder, limit), String(bytes))
      read(peak)
    } catch {
      rmdirSync(folder)
      continue
    }
    return {
      wrap: ['sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh'],
      ownBytes: () => Number(own.exec(read('memory.stat'))?.[1]),
      peakBytes: () => Number(read(peak)),
      killed: () => Number(/^oom_kill (\d+)$/m.exec(read(events))?.[1]),
      [Symbol.dispose]: () => rmdirSync(folder),
    }
  }
  return undefined
}
