import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anaToken, freshHub } from '../emulators/hub-fixture.ts'
import { runningService } from '../http/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

/** A command in a process of its own: what it said, and how it ended. */
const rodizio = (env: Record<string, string>, ...args: string[]) =>
  new Promise<{ code: number; out: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { env: { PATH: process.env.PATH, ...env } },
      (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: stdout + stderr }),
    )
    child.stdin?.end()
  })

/** A command at a terminal of its own, where somebody types a line once something is asked. */
const TYPED = `
import os, pty, sys
line, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown, typed = b'', False
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part
    if not typed and b'as you type' in shown:
        typed = True
        os.write(terminal, line.encode() + b'\\r')
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
`

const written = (folder: string): string =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path).toString('latin1'))
    .join('\n')

describe('init with a token of the hub', () => {
  it('proves it, stores it sealed without any service, and writes it into no file', async () => {
    await using hub = await freshHub()
    using folder = temporaryFolder()
    const data = join(folder.path, 'data')
    const env = { RODIZIO_DATA_DIR: data, RODIZIO_HUB_URL: hub.url, HF_TOKEN: anaToken }
    const answer = await rodizio(env, 'init', '--yes')
    expect(answer).toMatchObject({ code: 0, out: expect.stringContaining('token of ana (read)') })
    expect(written(data)).toContain(hub.url) // the right database is looked at
    for (const text of [written(data), answer.out]) expect(text).not.toContain(anaToken)
  })

  it('writes nothing when the hub does not know it', async () => {
    await using hub = await freshHub()
    using folder = temporaryFolder()
    const env = { RODIZIO_DATA_DIR: folder.path, RODIZIO_HUB_URL: hub.url, HF_TOKEN: 'hf_stranger' }
    const answer = await rodizio(env, 'init', '--yes')
    expect(answer.code).toBe(4)
    expect(answer.out).toContain('/settings/tokens')
    expect(answer.out).not.toContain('hf_stranger')
    expect(readdirSync(folder.path)).not.toContain('config.env')
  })
})

describe('login hub', () => {
  it('asks at a terminal, which shows nothing of the token, and says whose it is', async () => {
    await using hub = await freshHub()
    await using service = await runningService({ RODIZIO_HUB_URL: hub.url })
    const env = {
      PATH: process.env.PATH,
      RODIZIO_URL: service.url,
      RODIZIO_TOKEN: service.adminToken,
      TERM: 'xterm',
    }
    const command = [process.execPath, main, 'login', 'hub']
    // The service answers from this process: the terminal must not block it.
    const shown = await new Promise<string>((resolve, reject) =>
      execFile('python3', ['-c', TYPED, anaToken, ...command], { env }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      ),
    )
    expect(shown).toContain('token of ana (read)')
    expect(shown).not.toContain(anaToken.slice(0, 8))
    const status = await rodizio(
      env as Record<string, string>,
      'login',
      'hub',
      '--status',
      '--json',
    )
    expect(JSON.parse(status.out)).toMatchObject({ state: 'good', user: 'ana' })
  })

  it('wants one: an empty line stores nothing', async () => {
    await using service = await runningService()
    const env = { RODIZIO_URL: service.url, RODIZIO_TOKEN: service.adminToken }
    const answer = await rodizio(env, 'login', 'hub')
    expect(answer).toMatchObject({ code: 2, out: expect.stringContaining('no token was given') })
  })
})
