import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makePlace, until } from './service.ts'

/** Every file below a folder. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}

const planted = {
  key: 'c0ffee00c0ffee00c0ffee00c0ffee42',
  token: 'KGAT_plantedplantedplantedplanted',
}

it('keeps planted secrets out of notebooks, logs, database, artifacts and errors', async () => {
  await using place = await makePlace({
    RODIZIO_STORE: 'folder',
    RODIZIO_SAMPLE: 'off',
    RODIZIO_LOG: 'json',
  })
  await place.start()
  await until('the accounts', async () => (await place.client().accounts()).length === 3)
  const said: string[] = []
  const add = async (name: string, env: Record<string, string>) => {
    const args = [
      'accounts',
      'add',
      name,
      '--provider',
      'kaggle',
      '--owner',
      name,
      '--accept-rules',
    ]
    const { execute, program } = await import('./service.ts')
    const answer = await execute(process.execPath, [program, ...args], { ...place.env, ...env })
    said.push(answer.out, answer.err)
    return answer.code
  }
  expect(await add('carla', { KAGGLE_USERNAME: 'carla', KAGGLE_KEY: planted.key })).toBe(0)
  expect(await add('davi', { KAGGLE_API_TOKEN: planted.token })).toBe(0)
  // Refused at the provider: the message must not repeat what was refused.
  await place.emulator('POST', 'faults', { rpc: '*', times: 2, kind: 'expired_token' })
  for (const name of ['carla', 'davi']) {
    const tried = await place.run('accounts', 'test', name)
    said.push(tried.out, tried.err)
  }
  const config = await place.run('config')
  said.push(config.out)
  const file = join(place.data, '..', 'rows.jsonl')
  const rows = Array.from({ length: 60 }, (_, n) => ({
    messages: [
      { role: 'user', content: `${n}?` },
      { role: 'assistant', content: `É ${n}.` },
    ],
  }))
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await place.json('data', 'import', file, '--name', 'rows')
  const short = [
    '--session-max',
    '10s',
    '--save-every',
    '2s',
    '--heartbeat',
    '1s',
    '--step-pace',
    '0.2s',
  ]
  await place.json('train', 'start', '--data', 'rows', '--name', 'r', '--steps', '150', ...short)
  const run = await until('the run to complete', async () => {
    const seen = await place.client().run('r')
    return seen.state === 'completed' ? seen : undefined
  })
  expect(run.sessions.map(({ account }) => account)).toEqual(
    expect.arrayContaining(['carla', 'davi']),
  )
  said.push(
    (await place.run('train', 'show', 'r')).out,
    (await place.run('train', 'logs', 'r')).out,
  )
  const admin = place.token()
  await place.stop()
  said.push(place.output())

  const basic = Buffer.from(`carla:${planted.key}`).toString('base64')
  const everywhere = [planted.key, planted.token, basic]
  for (const text of said) for (const secret of everywhere) expect(text).not.toContain(secret)
  // Tokens of sessions and one-time URLs are dead by now, and still stand nowhere in clear.
  const shapes = [/rzs_[\w-]{20,}/, /rzu_[\w-]{20,}/]
  for (const path of filesBelow(place.data)) {
    const bytes = readFileSync(path).toString('latin1')
    for (const secret of everywhere)
      expect(bytes.includes(secret), `${path} holds a secret`).toBe(false)
    for (const shape of shapes) expect(shape.test(bytes), `${path} holds ${shape}`).toBe(false)
    const mayHoldAdmin = path.endsWith('/token')
    expect(bytes.includes(admin) && !mayHoldAdmin, `${path} holds the admin token`).toBe(false)
  }
})
