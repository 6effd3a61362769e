import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { expect, it } from 'vitest'
import { type EmulatorsFile, emulatorsFilePath, serveEmulators } from '../../src/emulators/serve.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { processStartedAt } from '../../src/lib/processes.ts'
import { FOREVER, notebook, push, runnerPath, temporaryFolder, until } from './kaggle-fixture.ts'

const SERVE = `
  const { serveEmulators } = await import('${join(import.meta.dirname, '../../src/emulators/serve.ts')}')
  const { systemClock } = await import('${join(import.meta.dirname, '../../src/lib/clock.ts')}')
  const [stateDir, runnerPath] = process.argv.slice(1)
  const write = (line) => process.stdout.write(line)
  await serveEmulators({ stateDir, runnerPath, clock: systemClock, json: true, write })
`

const start = (stateDir: string): ChildProcess =>
  spawn(process.execPath, ['--input-type=module', '-e', SERVE, stateDir, runnerPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })

const found = (stateDir: string): Promise<EmulatorsFile> =>
  until('emulators.json', () => {
    const path = emulatorsFilePath(stateDir)
    return existsSync(path) && JSON.parse(readFileSync(path, 'utf8'))
  })

const stateOf = async ({ urls, adminToken }: EmulatorsFile) => {
  const headers = { 'x-emulator-token': adminToken }
  const response = await fetch(`${urls.kaggle}/_emulator/state`, { headers })
  return (await response.json()) as { sessions: { state: string; pid: number }[] }
}

it('says where it is in one line, leaves word for its owner alone, and cleans up', async () => {
  using folder = temporaryFolder()
  const lines: string[] = []
  const ending = new AbortController()
  const served = serveEmulators({
    stateDir: folder.path,
    runnerPath,
    clock: systemClock,
    json: true,
    write: (line) => lines.push(line),
    signal: ending.signal,
  })
  const file = await found(folder.path)
  expect(lines).toEqual([`${JSON.stringify(file.urls)}\n`])
  expect(Object.keys(file.urls)).toEqual(['kaggle', 'drive', 'googleToken', 'colab'])
  const token = { 'x-emulator-token': file.adminToken }
  const drive = await fetch(`${file.urls.drive}/_emulator/state`, { headers: token })
  expect(await drive.json()).toMatchObject({ files: [], uploads: [] })
  expect(statSync(emulatorsFilePath(folder.path)).mode & 0o777).toBe(0o600)
  expect(file).toMatchObject({ pid: process.pid, startTime: processStartedAt(process.pid) })
  expect((await stateOf(file)).sessions).toEqual([])

  const again = {
    stateDir: folder.path,
    runnerPath,
    clock: systemClock,
    json: true,
    write: () => undefined,
  }
  await expect(serveEmulators(again)).rejects.toMatchObject({
    kind: 'conflict',
    code: 'emulator_running',
    next: expect.any(String),
  })
  expect(existsSync(emulatorsFilePath(folder.path))).toBe(true)
  ending.abort()
  await served
  expect(existsSync(emulatorsFilePath(folder.path))).toBe(false)
})

it('outlives a kill: the next process finds the session that goes on, and a signal ends both', async () => {
  using folder = temporaryFolder()
  const first = start(folder.path)
  const before = await found(folder.path)
  await push({ url: before.urls.kaggle }, 'survivor', notebook(FOREVER))
  const session = await until('a running session', async () => {
    const [newest] = (await stateOf(before)).sessions
    return newest?.state === 'RUNNING' && newest
  })
  first.kill('SIGKILL')
  await until('its death', () => first.signalCode !== null)

  const second = start(folder.path)
  const after = await until('the second', async () => {
    const file = await found(folder.path)
    return file.pid !== before.pid && file
  })
  expect(after.urls).toEqual(before.urls)
  expect((await stateOf(after)).sessions).toMatchObject([{ state: 'RUNNING', pid: session.pid }])
  second.kill('SIGTERM')
  await until('its end', () => second.exitCode !== null)
  expect(second.exitCode).toBe(0)
  await until('the death of its session', () => processStartedAt(session.pid) === null)
  expect(existsSync(emulatorsFilePath(folder.path))).toBe(false)
})

it('serves a hub with the models of a folder where it is asked for, each behind a licence', async () => {
  using folder = temporaryFolder()
  const models = join(folder.path, 'models')
  mkdirSync(join(models, 'owner/name'), { recursive: true })
  writeFileSync(join(models, 'owner/name/config.json'), '{}')
  const ending = new AbortController()
  const served = serveEmulators({
    stateDir: folder.path,
    runnerPath,
    clock: systemClock,
    json: true,
    write: () => undefined,
    hubModels: models,
    signal: ending.signal,
  })
  const { urls } = await found(folder.path)
  const file = `${urls.hub}/owner/name/resolve/main/config.json`
  expect((await fetch(file)).status).toBe(401)
  const answer = await fetch(file, { headers: { authorization: 'Bearer hf_anybody' } })
  expect(await answer.text()).toBe('{}')
  ending.abort()
  await served
})

it('serves mail, tunnels and a target where they are asked for, by one token', async () => {
  using folder = temporaryFolder()
  const ending = new AbortController()
  const said: string[] = []
  const served = serveEmulators({
    stateDir: folder.path,
    runnerPath,
    clock: systemClock,
    json: false,
    write: (line) => said.push(line),
    ...{ mail: {}, tunnels: {}, flaky: {} },
    signal: ending.signal,
  })
  const file = await found(folder.path)
  const { smtp = '', mail = '' } = file.urls
  const transport = createTransport(smtp)
  await transport.sendMail({ from: 'a@x', to: 'b@x', subject: 'hello', text: 'there' })
  const headers = { 'x-emulator-token': file.adminToken }
  const inbox = await fetch(`${mail}/_emulator/inbox`, { headers })
  expect(await inbox.json()).toMatchObject({ items: [{ subject: 'hello' }] })
  const { tunnels = '', target = '', flaky = '' } = file.urls
  const told = (url: string, name: string, body: object) =>
    fetch(`${url}/_emulator/${name}`, { method: 'POST', headers, body: JSON.stringify(body) })
  await told(tunnels, 'endpoints', { name: 'ana', upstream: target })
  await told(flaky, 'behaviour', { kind: 'failing' })
  expect((await fetch(`${tunnels}/ana/health`)).status).toBe(503)
  expect((await fetch(`${mail}/_emulator/claim`, { method: 'POST', headers })).status).toBe(200)
  expect(said.join('')).toContain(`${smtp} and shown at ${mail}/_emulator/inbox`)
  expect(said.join('')).not.toContain(file.adminToken)
  ending.abort()
  await served
  await expect(transport.sendMail({ from: 'a@x', to: 'b@x', text: '' })).rejects.toThrow()
})
