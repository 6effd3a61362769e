import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/**
 * When a process started, in the words of its system: with the pid it names one process across our own restarts.
 * Null when there is no such process, or when it is a zombie: it has ended and only waits to be counted.
 */
export function processStartedAt(pid: number): string | null {
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid)
}

/** Whether exactly this process still runs; a later process under the same number does not count. */
export const isSameProcessAlive = (pid: number, startedAt: string): boolean =>
  processStartedAt(pid) === startedAt

/** Ends a whole process group at once. A group that is already gone is fine. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody is left. EPERM (macOS): only zombies are left.
  }
}

/** The leader of a group that has this word among its arguments, or null; looked for on Linux only. */
export function findProcess(argument: string): number | null {
  if (process.platform !== 'linux') return null
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).find((pid) => listOf(pid, 'cmdline').includes(argument)) ?? null
}

/** Our processes whose environment has this entry (`NAME=value`), as children inherit it; looked for on Linux only. */
export function processesWith(entry: string): number[] {
  if (process.platform !== 'linux') return []
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => listOf(pid, 'environ').includes(entry))
}

function listOf(pid: number, name: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0')
  } catch {
    return [] // it has just ended, or it is somebody else's
  }
}

function fromProc(pid: number): string | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null // no such process
  }
  // proc(5): "pid (name) state ppid …"; the name may hold spaces and brackets, so fields count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  if (state === 'Z' || state === 'X') return null
  return fields[19] ?? null // field 22, ticks since boot
}

function fromPs(pid: number): string | null {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    const [, state, started] = /^(\S+)\s+(.+)$/.exec(line) ?? []
    return state === undefined || started === undefined || state.startsWith('Z') ? null : started
  } catch {
    return null // ps ends with 1 when there is no such process
  }
}
