import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readServiceFile } from '../../src/config/service-file.ts'
import { processStartedAt } from '../../src/lib/processes.ts'
import { howToBeReached } from '../../src/rotation/reach.ts'
import { type Behaviour, fakeCloudflared } from '../providers/cloudflared/fake.ts'
import { makePlace, until } from './service.ts'

/** A place on whose path stands a fake cloudflared. */
async function withFake(...behaviours: Behaviour[]) {
  const place = await makePlace()
  const bin = join(place.data, '../bin')
  mkdirSync(bin)
  fakeCloudflared(bin, ...behaviours)
  // The path is read at each start of the service.
  Object.assign(place.env, { PATH: `${bin}:${place.env.PATH}` })
  const pids = (): number[] =>
    readFileSync(join(bin, 'starts'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { pid: number }).pid)
  const publicUrl = () => readServiceFile(place.data)?.publicUrl ?? null
  return { place, pids, publicUrl }
}

const lives = (pid: number) => processStartedAt(pid) !== null

it('opens a tunnel that sessions report through, and leaves none behind', async () => {
  const { place: opened, pids, publicUrl } = await withFake({ kind: 'proxies', afterMs: 300 })
  await using place = opened
  await place.start(['--tunnel'])
  const first = await until('the address', async () => publicUrl() ?? undefined)
  await until('it to be told', async () => place.output().includes(`From outside: ${first}`))
  expect(place.output()).toContain('The address changes at each start')
  expect(first).not.toBe(place.url)
  await until('the sample run', async () => (await place.client().runs()).length > 0)
  await until('a checkpoint of a session elsewhere', async () => {
    const run = await place.client().run('sample')
    return run.checkpoints.length > 0 && run.sessions[0]?.provider === 'kaggle'
  })
  const emulated = join(place.data, 'emulators')
  const notebooks = readdirSync(emulated, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ipynb'),
  )
  expect(notebooks.some((name) => readFileSync(join(emulated, name), 'utf8').includes(first))).toBe(
    true,
  )

  await place.kill()
  expect(pids().map(lives)).toEqual([true])
  await place.start(['--tunnel'])
  const second = await until('another address', async () => {
    const now = publicUrl()
    return now !== null && now !== first ? now : undefined
  })
  expect(pids().map(lives)).toEqual([false, true])

  process.kill(pids()[1] ?? 0, 'SIGKILL')
  await until('the loss to be told', async () => place.output().includes('the tunnel is lost'))
  const third = await until('a third address', async () => {
    const now = publicUrl()
    return now !== null && now !== second ? now : undefined
  })
  await until('that to be told', async () => place.output().includes(`open again, at ${third}`))
  await place.stop()
  expect(pids().map(lives)).toEqual([false, false, false])
})

it('does not start without a tunnel where one was asked for', async () => {
  const { place: opened, pids } = await withFake({ kind: 'dies' })
  await using place = opened
  const dead = await place.run('up', '--tunnel')
  expect(dead).toMatchObject({ code: 5, err: expect.stringContaining('no route to host') })
  expect(pids().map(lives)).toEqual([false])

  Object.assign(place.env, { PATH: place.env.PATH?.split(':').slice(1).join(':') })
  const none = await place.run('up', '--tunnel')
  expect(none.code).toBe(5)
  expect(none.err).toMatch(/no program cloudflared on the path \(no_cloudflared\)\n {2}Install it/)

  Object.assign(place.env, { RODIZIO_PUBLIC_URL: 'https://rodizio.example' })
  const both = await place.run('up', '--tunnel', '--detach')
  expect(both.code).toBe(2)
  expect(both.err).toMatch(/two_addresses\)\n {2}Leave out --tunnel, or take RODIZIO_PUBLIC_URL/)
})

it('has doctor say what Colab needs and how to get it, until a tunnel is there', async () => {
  const { place: opened, pids, publicUrl } = await withFake({ kind: 'proxies' })
  await using place = opened
  Object.assign(place.env, {
    RODIZIO_EMULATORS: 'off',
    RODIZIO_KAGGLE_URL: 'http://127.0.0.1:9', // nothing outside is ever called
    GOOGLE_CLIENT_ID: 'own-client.apps.example.com',
    GOOGLE_CLIENT_SECRET: 'planted-client-secret',
  })
  const reachability = async () => {
    const { out } = await place.run('doctor', '--json')
    const { checks } = JSON.parse(out) as { checks: { name: string; ok: boolean }[] }
    return checks.find(({ name }) => name === 'reachability')
  }
  await place.start()
  await place.json('accounts', 'add', 'cris', '--provider', 'colab', '--accept-rules')
  expect(await reachability()).toMatchObject({
    ok: false,
    found: expect.stringContaining('notebooks at colab'),
    fix: howToBeReached,
  })
  await place.stop()
  const detached = await place.run('up', '--tunnel', '--detach')
  expect(detached.out).toContain(`From outside: ${publicUrl()}`)
  expect(await reachability()).toMatchObject({ ok: true })
  expect((await place.run('down')).code).toBe(0)
  expect(pids().map(lives)).toEqual([false])
})
