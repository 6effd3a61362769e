import { readFileSync } from 'node:fs'
import { bad, type Check, good } from './check.ts'

/** Files of the system, as they are read; a file that is not there throws. */
export type ReadFile = (path: string) => string

const fromDisk: ReadFile = (path) => readFileSync(path, 'utf8')

const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`

/** Below so much memory a machine without swap has nothing to give way with: an update of the system alone takes some 300 MB. */
const smallBytes = 2_000_000_000

/** Memory and swap of this machine; nothing where the system does not tell (proc(5), /proc/meminfo). */
export function memory(read: ReadFile = fromDisk): Check[] {
  try {
    const text = read('/proc/meminfo')
    const bytes = (field: string) =>
      Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(text)?.[1]) * 1024
    const total = bytes('MemTotal')
    const swap = bytes('SwapTotal')
    if (!Number.isFinite(total) || !Number.isFinite(swap)) return []
    const found = `${mb(total)}, ${swap > 0 ? `${mb(swap)} of swap` : 'no swap'}`
    return total >= smallBytes || swap > 0
      ? [good('memory', found)]
      : [
          bad(
            'memory',
            found,
            'Add 1 GB of swap: fallocate -l 1G /swapfile; chmod 600 /swapfile; mkswap /swapfile; swapon /swapfile; and a line in /etc/fstab',
          ),
        ]
  } catch {
    return [] // no /proc: not this system
  }
}

/** From so much of its limit on the system takes memory back from the service again and again. */
const nearlyAll = 0.9

/** How far the service is from the limit that its unit or container gives it; nothing where it has none (cgroup v2). */
export function memoryLimit(pid: number | undefined, read: ReadFile = fromDisk): Check[] {
  if (pid === undefined) return []
  try {
    const [, group = ''] = /^0::(.*)$/m.exec(read(`/proc/${pid}/cgroup`)) ?? []
    const of = (file: string) => read(`/sys/fs/cgroup${group}/${file}`).trim()
    const limit = Number(of('memory.max')) // `max` is none
    // Of its own: files that the system keeps at hand fill any limit, and go when room is wanted.
    const used = Number(/^anon (\d+)$/m.exec(of('memory.stat'))?.[1])
    if (!(limit > 0)) return []
    const killed = Number(/^oom_kill (\d+)$/m.exec(of('memory.events'))?.[1] ?? 0)
    const found = `${mb(used)} of ${mb(limit)}${killed > 0 ? `; processes that were ended for memory: ${killed}` : ''}`
    return used < limit * nearlyAll && killed === 0
      ? [good('memory limit', found)]
      : [
          bad(
            'memory limit',
            found,
            'Raise MemoryHigh and MemoryMax: systemctl edit rodizio; or end what else runs in it',
          ),
        ]
  } catch {
    return [] // no such groups, or not to be read by this user
  }
}

const isLoopback = (host: string): boolean => /^(?:localhost|127\.[\d.]+|\[?::1\]?)$/.test(host)

/** Whether tokens travel in clear: it listens beyond this machine, and no address with HTTPS is known; or that address has none. */
export function bound(host: string, publicUrl: string | undefined): Check[] {
  const url = publicUrl === undefined ? undefined : new URL(publicUrl)
  const fix =
    'Put HTTPS in front (Caddy: docs/install-vm.md), RODIZIO_HOST=127.0.0.1 and RODIZIO_PUBLIC_URL=https://…'
  if (url?.protocol === 'http:' && !isLoopback(url.hostname)) {
    return [bad('transport', `${publicUrl} is not encrypted: tokens travel in clear`, fix)]
  }
  if (isLoopback(host) || url?.protocol === 'https:') {
    return [good('transport', url ? `${host}, from outside ${url.origin}` : `${host} alone`)]
  }
  return [bad('transport', `it listens on ${host}, and nothing is known to encrypt`, fix)]
}
