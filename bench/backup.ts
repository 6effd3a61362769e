import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { memoryMb, resetPeak, serve } from './process.ts'
import { type Figures, rounded } from './promises.ts'

/** An encrypted backup of a database of some 130 MB by the shipped service, and what else it answers meanwhile. */
export const promises = [
  { figure: 'peakAboveRestMb', atMost: 25, of: 'memory' },
  { figure: 'slowestAnswerMs', atMost: 500, of: 'time' },
] as const

const rows = 60_000
const restSeconds = 8

export async function measure(): Promise<Figures> {
  const place = mkdtempSync(join(tmpdir(), 'rodizio-bench-'))
  const data = join(place, 'data')
  const key = join(place, 'backup.key')
  writeFileSync(key, 'a passphrase of the bench\n')
  try {
    await (await serve(data)).stop()
    const database = join(data, 'rodizio.db')
    fill(database)
    const served = await serve(data, [], { RODIZIO_BACKUP_KEY_FILE: key })
    const pid = served.child.pid ?? 0
    await delay(restSeconds * 1000)
    const restMb = memoryMb(pid, 'VmRSS')
    resetPeak(pid)
    const token = readFileSync(join(data, 'token'), 'utf8').trim()
    let isGoing = true
    let slowestAnswerMs = 0
    const asking = (async () => {
      while (isGoing) {
        const began = performance.now()
        await (await fetch(`${served.url}/health`)).text()
        slowestAnswerMs = Math.max(slowestAnswerMs, performance.now() - began)
        await delay(20)
      }
    })()
    const began = performance.now()
    const answer = await fetch(`${served.url}/v1/backups`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{}',
    })
    const backupMs = performance.now() - began
    if (!answer.ok) throw new Error(`no backup: ${answer.status} ${await answer.text()}`)
    const { bytes } = (await answer.json()) as { bytes: number }
    isGoing = false
    await asking
    const peakMb = memoryMb(pid, 'VmHWM')
    await served.stop()
    return {
      databaseMb: rounded(statSync(database).size / 1e6),
      backupMb: rounded(bytes / 1e6),
      backupMs: rounded(backupMs, 0),
      restMb: rounded(restMb),
      peakAboveRestMb: rounded(peakMb - restMb),
      slowestAnswerMs: rounded(slowestAnswerMs, 0),
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** Rows of some 2 kB that compress about as well as logs do. */
function fill(database: string): void {
  const db = new Sqlite(database)
  const put = db.prepare(
    "insert into events values (?, '2026-01-01T00:00:00.000Z', 'x', null, null, ?)",
  )
  db.exec('begin')
  for (let id = 1000; id < 1000 + rows; id += 1) {
    const words = Array.from({ length: 60 }, () => Math.random().toString(36))
    put.run(id, `${words.join(' ')} ${'rodizio '.repeat(100)}`)
  }
  db.exec('commit')
  db.close()
}
