import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { processStartedAt } from '../../src/lib/processes.ts'
import { lockFolder } from '../../src/store/pull-lock.ts'
import { temporaryFolder } from '../temporary-folder.ts'

it('a folder is one process’s until it is given back', async () => {
  using folder = temporaryFolder()
  const release = await lockFolder(folder.path)
  const second = lockFolder(folder.path)
  await expect(second).rejects.toMatchObject({ code: 'pull_running' })
  await expect(second).rejects.toThrow(`process ${process.pid}`)
  await release()
  await (await lockFolder(folder.path))()
  expect(readdirSync(folder.path)).toEqual([])
})

it('a dead holder’s folder is taken over, a torn lock too, and a later process of its number is none', async () => {
  using folder = temporaryFolder()
  const child = spawn('sleep', ['30'])
  const lock = join(folder.path, '.lock')
  const held = { pid: child.pid, startedAt: processStartedAt(child.pid ?? 0) }
  writeFileSync(lock, JSON.stringify(held))
  await expect(lockFolder(folder.path)).rejects.toThrow(`process ${child.pid}`)
  child.kill('SIGKILL')
  await once(child, 'exit')
  for (const text of [
    JSON.stringify(held),
    '{"pid": 1',
    '',
    JSON.stringify({ pid: process.pid, startedAt: 'another time' }),
  ]) {
    writeFileSync(lock, text)
    const release = await lockFolder(folder.path)
    await release()
  }
  expect(readdirSync(folder.path)).toEqual([])
})

it('of many at once one has it', async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, '.lock'), '{}') // of somebody dead
  const asked = await Promise.allSettled(Array.from({ length: 12 }, () => lockFolder(folder.path)))
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

it('a folder that cannot be is named', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'file')
  writeFileSync(file, '')
  const asked = lockFolder(join(file, 'below'))
  await expect(asked).rejects.toMatchObject({ code: 'folder_refused' })
  await expect(asked).rejects.toThrow(file)
})
