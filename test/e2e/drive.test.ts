import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { ownClient } from './outside.ts'
import { completed, makePlace, type Place, until } from './service.ts'

const flags = [
  '--session-max',
  '14s',
  '--save-every',
  '3s',
  '--heartbeat',
  '1s',
  '--step-pace',
  '0.2s',
]

async function ready(more: Record<string, string> = {}): Promise<Place> {
  const place = await makePlace({ ...ownClient, ...more })
  await place.start()
  await until('the accounts', async () => (await place.client().accounts()).length === 3)
  const file = join(place.data, '..', 'rows.jsonl')
  const rows = Array.from({ length: 120 }, (_, n) => ({
    messages: [
      { role: 'user', content: `Pergunta ${n}: quanto é ${n} mais 1?` },
      { role: 'assistant', content: `É ${n + 1}.` },
    ],
  }))
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await place.json('data', 'import', file, '--name', 'rows')
  return place
}

/** A person is asked only where no account does without one; this one never sleeps. */
async function withColabAlone(place: Place): Promise<void> {
  await place.json('login', 'google')
  for (const { name } of await place.client().accounts()) await place.json('accounts', 'rm', name)
  const cris = ['cris', '--provider', 'colab', '--waking', '0-24', '--accept-rules']
  await place.json('accounts', 'add', ...cris)
}

it('waits for a sign-in, then rotates with its checkpoints on Drive, through kills of the service', async () => {
  await using place = await ready()
  await place.json('train', 'start', '--data', 'rows', '--name', 'r', '--steps', '170', ...flags)
  await until('the run to say what it waits for', async () =>
    (await place.client().run('r')).waiting?.includes('rodizio login google'),
  )
  expect((await place.json<{ state: string }>('login', 'google')).state).toBe('good')
  await until('a checkpoint', async () => (await place.client().run('r')).checkpoints.length > 0)
  for (let kill = 0; kill < 3; kill += 1) {
    await delay(3000)
    await place.kill()
    await place.start()
  }
  const run = await completed(place, 'r')
  expect(run.sessions.length).toBeGreaterThanOrEqual(3)
  expect(new Set(run.sessions.map(({ provider }) => provider)).size).toBe(2)
  // The bytes went past the service: nothing of them stands in its own folder.
  expect(existsSync(join(place.data, 'store/runs'))).toBe(false)
  const { files } = await place.ask<{ files: { name: string; bytes: number | null }[] }>(
    'drive',
    'GET',
    'state',
  )
  const kept = run.checkpoints.filter(({ state }) => state === 'committed')
  const manifests = files.filter(({ name }) => name === 'manifest.json')
  expect(manifests.length).toBe(kept.length + 1) // and the artifact's
  await place.stop()
  // As the emulated Google begins them: `1//` alone is also a row of SQLite's whose texts are 18, 17 and 17 characters long.
  const secrets = [ownClient.GOOGLE_CLIENT_SECRET, 'ya29.emulated', '1//emulated']
  for (const name of readdirSync(place.data, { recursive: true, encoding: 'utf8' })) {
    if (name.startsWith('emulators') || name === 'secret.key') continue
    const path = join(place.data, name)
    const text = existsSync(path) && !name.includes('.jsonl') ? read(path) : ''
    for (const secret of secrets)
      expect(text.includes(secret), `${name} holds ${secret}`).toBe(false)
  }
})

it('tells once that the sign-in is over, starts nothing more, and goes on after a new one', async () => {
  await using place = await ready()
  await place.json('login', 'google')
  await place.json('train', 'start', '--data', 'rows', '--name', 'r', '--steps', '170', ...flags)
  await until('a checkpoint', async () => (await place.client().run('r')).checkpoints.length > 0)
  await place.ask('drive', 'POST', 'revoke', {})
  await place.ask('drive', 'POST', 'expire', { what: 'access-tokens' })
  await until('the sign-out to be noticed', async () =>
    place.output().includes('sign-in at Google is over'),
  )
  await delay(5000)
  expect(place.output().split('sign-in at Google is over').length - 1).toBe(1)
  await place.json('login', 'google')
  await completed(place, 'r')
  expect(await place.json('logout', 'google')).toEqual({ state: 'none' })
  expect(await place.ask('drive', 'POST', 'revoke', {})).toEqual({ tokens: 0 })
  await until('the logout to be told', async () => place.output().includes('as asked'))
  expect(await place.json('login', 'google', '--status')).toEqual({ state: 'none' })
})

interface Opened {
  slug: string
  state: string
  logPath: string
}

it('gives Colab its turn: a person who is late, then one who comes too late', async () => {
  await using place = await ready({ RODIZIO_PERSON_SECONDS: '8' })
  await withColabAlone(place)
  const manners = [
    { behaviour: 'late', delaySeconds: 3 },
    { behaviour: 'late', delaySeconds: 14 },
  ]
  await place.ask('colab', 'POST', 'person', manners)
  await place.json('train', 'start', '--data', 'rows', '--name', 'r', '--steps', '260', ...flags)
  const waiting = await until('a link', async () =>
    (await place.client().sessions(true)).find(({ state }) => state === 'awaiting_person'),
  )
  expect(waiting.account).toBe('cris')
  expect(waiting.link).toMatch(/\/drive\/[\w-]+$/)
  expect((await place.run('train', 'show', 'r')).out).toContain(waiting.link)
  expect((await place.client().health()).emulated).toEqual(['kaggle', 'drive', 'colab'])
  await until('nobody to come', async () =>
    place.output().includes('nobody opened its link in time'),
  )
  await place.json('accounts', 'add', 'here', '--provider', 'local', '--accept-rules')
  const run = await completed(place, 'r')
  const atColab = run.sessions.filter(({ provider }) => provider === 'colab')
  expect(atColab.map(({ outcome }) => outcome)).toEqual(['limit', 'expired'])
  expect(atColab[1]?.usedSeconds).toBe(0)
  const next = run.sessions[run.sessions.findIndex(({ outcome }) => outcome === 'expired') + 1]
  expect(next?.provider).not.toBe('colab')
  const late = await until('the late one to be refused', async () => {
    const { notebooks } = await place.ask<{ notebooks: Opened[] }>('colab', 'GET', 'state')
    return notebooks.find(({ state }) => state === 'failed')
  })
  expect(readFileSync(late.logPath, 'utf8')).toContain('did not let this session in')
})

it('lets Run all pressed twice go on as one session, the older process shut out', async () => {
  await using place = await ready({ RODIZIO_PERSON_SECONDS: '60' })
  await withColabAlone(place)
  const manners = [{ behaviour: 'prompt', againSeconds: 6 }, { behaviour: 'prompt' }]
  await place.ask('colab', 'POST', 'person', manners)
  await place.json('train', 'start', '--data', 'rows', '--name', 'r', '--steps', '220', ...flags)
  await until('the second to be told', async () => place.output().includes('was started again'))
  const run = await completed(place, 'r')
  const [atColab] = run.sessions.filter(({ provider }) => provider === 'colab')
  const before = run.sessions[run.sessions.findIndex(({ provider }) => provider === 'colab') - 1]
  expect(atColab?.generation).toBe((before?.generation ?? 0) + 2)
  expect(atColab?.outcome).toBe('limit')
  const generations = run.sessions.map(({ generation }) => generation)
  expect(new Set(generations).size).toBe(generations.length)
  const { notebooks } = await place.ask<{ notebooks: Opened[] }>('colab', 'GET', 'state')
  const logs = notebooks.slice(0, 2).map(({ logPath }) => readFileSync(logPath, 'utf8'))
  expect(logs[0]).toContain('this session ends and writes nothing more')
  expect(logs[1]).toContain(`generation ${atColab?.generation}`)
  expect(logs[1]).toContain('the time of this session is over')
})

const read = (path: string): string => {
  try {
    return readFileSync(path).toString('latin1')
  } catch {
    return '' // a folder
  }
}
