import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { memoryMb, program, serve, shippedFlags } from './process.ts'
import { type Figures, rounded } from './promises.ts'

/** A 200 MB chat JSONL through the command line into the service. */
export const promises = [
  { figure: 'cliPeakRssMb', atMost: 150, of: 'memory' },
  { figure: 'servicePeakRssMb', atMost: 150, of: 'memory' },
] as const

const fileBytes = 200_000_000

export async function measure(): Promise<Figures> {
  const place = mkdtempSync(join(tmpdir(), 'rodizio-bench-'))
  try {
    const file = join(place, 'chat.jsonl')
    writeChat(file)
    const megabytes = statSync(file).size / 1e6
    const baseline = await timed([process.execPath, '--eval', naive(file)], {})
    const served = await serve(join(place, 'data'))
    const args = [...shippedFlags, program, 'data', 'import', file, '--name', 'bench', '--json']
    const imported = await timed([process.execPath, ...args], served.env)
    const servicePeakRssMb = rounded(memoryMb(served.child.pid ?? 0, 'VmHWM'))
    await served.stop()
    return {
      fileMb: rounded(megabytes),
      cliPeakRssMb: rounded(imported.peakMb),
      servicePeakRssMb,
      seconds: rounded(imported.seconds),
      mbPerSecond: rounded(megabytes / imported.seconds),
      // The baseline parses every line with readline and JSON.parse, and keeps, checks and stores nothing.
      baselineSeconds: rounded(baseline.seconds),
      timesBaseline: rounded(imported.seconds / baseline.seconds, 2),
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

function writeChat(file: string): void {
  const handle = openSync(file, 'w')
  let written = 0
  for (let n = 0; written < fileBytes; ) {
    let batch = ''
    for (let i = 0; i < 1000; i += 1, n += 1) {
      const messages = [
        { role: 'system', content: 'Você responde perguntas sobre números.' },
        { role: 'user', content: `Pergunta ${n}: o que se sabe do número ${n}?` },
        {
          role: 'assistant',
          content: `Sobre ${n}: ${'é um número como outro qualquer; '.repeat((n % 17) + 1)}`,
        },
      ]
      batch += `${JSON.stringify({ id: `n${n}`, messages })}\n`
    }
    written += writeSync(handle, batch)
  }
  closeSync(handle)
}

const naive = (file: string): string =>
  `const rl = require('node:readline').createInterface({ input: require('node:fs').createReadStream(${JSON.stringify(file)}) });
   let n = 0; rl.on('line', (l) => { n += JSON.parse(l).messages.length });`

async function timed(command: readonly string[], env: Readonly<Record<string, string>>) {
  const began = performance.now()
  const child = spawn(command[0] ?? '', command.slice(1), {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  let peakMb = 0
  let code: number | null | undefined
  child.on('exit', (status) => {
    code = status
  })
  while (code === undefined) {
    const now = memoryMb(child.pid ?? 0, 'VmHWM')
    if (now > peakMb) peakMb = now
    await delay(20)
  }
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`)
  return { seconds: (performance.now() - began) / 1000, peakMb }
}
