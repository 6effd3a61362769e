import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf, systemCode } from '../../lib/errors.ts'
import {
  isSameProcessAlive,
  killGroup,
  processesWith,
  processStartedAt,
} from '../../lib/processes.ts'

const Noted = z.object({ pid: z.number().int(), startedAt: z.string() })

const notePath = (folder: string): string => join(folder, 'process.json')
/** Stands in the environment of what was started for that folder: it is known by it even when we died before noting its pid. */
const markName = 'RODIZIO_TUNNEL_OF'

/** How long cloudflared may take to end when it is asked to. */
const graceMs = 3000

/**
 * Starts cloudflared with a quick tunnel to an address of this machine, in a process group of its own, noted in the folder
 * that is also its home: a configuration that the person has for other tunnels does not meddle. It gets no environment of ours.
 * @throws AppError `unavailable` (`no_cloudflared`) when there is no such program on the path
 */
export async function startCloudflared(
  folder: string,
  path: string,
  target: string,
): Promise<ChildProcess> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const child = spawn('cloudflared', ['tunnel', '--no-autoupdate', '--url', target], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: path, HOME: folder, [markName]: folder },
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  }).catch((cause: unknown) => {
    if (systemCode(cause) !== 'ENOENT') {
      throw new AppError('unavailable', `cloudflared cannot be started: ${messageOf(cause)}`, {
        code: 'no_cloudflared',
        next: 'Check that the cloudflared on the path can be run by this user',
        cause,
      })
    }
    throw new AppError('unavailable', 'there is no program cloudflared on the path', {
      code: 'no_cloudflared',
      next: 'Install it (https://github.com/cloudflare/cloudflared), or set RODIZIO_PUBLIC_URL to an address that leads here',
      cause,
    })
  })
  const pid = child.pid ?? 0
  const startedAt = processStartedAt(pid) ?? 'ended'
  writeFileSync(notePath(folder), JSON.stringify({ pid, startedAt }), { mode: 0o600 })
  return child
}

/** Ends it, by force when it does not go by itself, and whatever it has started. */
export async function endCloudflared(
  folder: string,
  child: ChildProcess,
  clock: Clock,
): Promise<void> {
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  if (!hasEnded()) {
    const gone = new AbortController()
    child.once('exit', () => gone.abort())
    child.kill('SIGTERM')
    await clock.sleep(graceMs, gone.signal)
  }
  if (child.pid !== undefined) killGroup(child.pid)
  rmSync(notePath(folder), { force: true })
}

/** Ends what a service that was killed has left running for this folder; nothing where no tunnel ever was. */
export function endLeftCloudflared(folder: string): void {
  const noted = Noted.safeParse(readNote(folder))
  if (noted.success && isSameProcessAlive(noted.data.pid, noted.data.startedAt)) {
    killGroup(noted.data.pid)
  }
  for (const pid of processesWith(`${markName}=${folder}`)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended between the look and the signal.
    }
  }
  rmSync(notePath(folder), { force: true })
}

function readNote(folder: string): unknown {
  try {
    return JSON.parse(readFileSync(notePath(folder), 'utf8'))
  } catch {
    return undefined // none was started, or we died while writing
  }
}
