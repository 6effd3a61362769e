import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { memoryMb, program, projectRoot, resetPeak, serve } from './process.ts'
import { type Figures, median, rounded } from './promises.ts'

/** Checkpoints on their way from a session to Drive: the service opens addresses and checks hashes, the bytes pass it by. */
export const promises = [
  { figure: 'idleRssMb', atMost: 95, of: 'memory' },
  { figure: 'growthMb', atMost: 15, of: 'memory' },
] as const

const large = 5
const megabytes = 100
const idleSeconds = 15
const longestSeconds = 120

export async function measure(): Promise<Figures> {
  const place = mkdtempSync(join(tmpdir(), 'rodizio-bench-'))
  const google = await emulatedGoogle(place)
  try {
    const served = await serve(join(place, 'data'), [], {
      ...google.settings,
      RODIZIO_PYTHON: sessionInPlaceOfPython(place),
    })
    const pid = served.child.pid ?? 0
    try {
      const rodizio = async (...args: string[]): Promise<unknown> => {
        const env = { ...served.env }
        const out = execFileSync(process.execPath, [program, ...args, '--json'], { env })
        return JSON.parse(out.toString('utf8'))
      }
      await rodizio('login', 'google')
      await rodizio('accounts', 'add', 'here', '--provider', 'local', '--accept-rules')
      await rodizio('data', 'import', rows(place), '--name', 'bench')
      const steps = String(large + 1)
      const start = ['train', 'start', '--data', 'bench', '--name', 'bench', '--steps', steps]
      await rodizio(...start)
      // From here on Drive has been used.
      await file(join(place, 'ready'))
      const idle: number[] = []
      for (let second = 0; second < idleSeconds; second += 1) {
        await delay(1000)
        idle.push(memoryMb(pid, 'VmRSS'))
      }
      const idleRssMb = median(idle)
      resetPeak(pid)
      writeFileSync(join(place, 'go'), '')
      await file(join(place, 'sent'))
      const peakRssMb = memoryMb(pid, 'VmHWM')
      const { seconds } = JSON.parse(readFileSync(join(place, 'sent'), 'utf8')) as {
        seconds: number
      }
      const sentMb = await committedMb(rodizio)
      if (sentMb < large * megabytes) throw new Error(`only ${sentMb} MB were committed`)
      if (existsSync(join(place, 'data/store/runs'))) throw new Error('bytes went into the folder')
      return {
        sentMb: rounded(sentMb),
        idleRssMb: known(idleRssMb),
        peakRssMb: known(peakRssMb),
        growthMb: known(peakRssMb - idleRssMb),
        seconds: rounded(seconds),
        mbPerSecond: rounded(sentMb / seconds),
      }
    } finally {
      await served.stop()
    }
  } finally {
    await google.stop()
    rmSync(place, { recursive: true, force: true })
  }
}

/** What this system could not tell is not measured, and a promise about it not kept. */
const known = (value: number): number | null => (Number.isNaN(value) ? null : rounded(value))

/** The emulators in a process of their own, so that their memory is not the service's; a person approves sign-ins at once. */
async function emulatedGoogle(place: string) {
  const state = join(place, 'emulators')
  const child = spawn(
    process.execPath,
    [program, 'emulators', '--json', '--state', state, '--approve-after', '0'],
    {
      env: { PATH: process.env.PATH ?? '', RODIZIO_DATA_DIR: place },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line')) as [string]
  const urls = JSON.parse(line) as { drive: string; googleToken: string }
  return {
    settings: {
      RODIZIO_STORE: 'drive',
      RODIZIO_DRIVE_URL: urls.drive,
      RODIZIO_GOOGLE_TOKEN_URL: urls.googleToken,
      GOOGLE_CLIENT_ID: 'bench.apps.example.com',
      GOOGLE_CLIENT_SECRET: 'secret-of-the-bench',
    },
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
    },
  }
}

/** A program that passes for the Python of this machine and runs the bench's session whatever notebook it is given. */
function sessionInPlaceOfPython(place: string): string {
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'])
  const session = join(projectRoot, 'bench/checkpoint_session.py')
  const flags = `--bench '${place}' --large ${large} --megabytes ${megabytes}`
  const path = join(place, 'python')
  // The service asks for its path first; then come the runner and the runner's arguments.
  writeFileSync(
    path,
    `#!/bin/sh\nif [ "$1" = -c ]; then echo '${path}'; exit; fi\nshift\nexec '${python.toString('utf8').trim()}' '${session}' ${flags} "$@"\n`,
  )
  chmodSync(path, 0o755)
  return path
}

function rows(place: string): string {
  const path = join(place, 'rows.jsonl')
  const row = (n: number) => ({
    messages: [
      { role: 'user', content: `Pergunta ${n}: quanto é ${n} mais 1?` },
      { role: 'assistant', content: `É ${n + 1}.` },
    ],
  })
  writeFileSync(path, Array.from({ length: 200 }, (_, n) => `${JSON.stringify(row(n))}\n`).join(''))
  return path
}

/** Waits for a file of the session. */
async function file(path: string): Promise<void> {
  const end = performance.now() + longestSeconds * 1000
  while (!existsSync(path) || (path.endsWith('sent') && statSync(path).size === 0)) {
    if (performance.now() > end) throw new Error(`the session has not written ${path}`)
    await delay(20)
  }
}

async function committedMb(rodizio: (...args: string[]) => Promise<unknown>): Promise<number> {
  const run = (await rodizio('train', 'show', 'bench')) as {
    checkpoints: readonly { bytes: number }[]
  }
  return run.checkpoints.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6
}
