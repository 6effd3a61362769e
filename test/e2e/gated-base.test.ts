import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startHubEmulator } from '../../src/emulators/hub/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { anaToken, biaToken, gatedId, gatedRevision } from '../emulators/hub-fixture.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import {
  completed,
  execute,
  makePlace,
  type Place,
  program,
  projectRoot,
  until,
} from './service.ts'

/** The library versions of the emulated Kaggle, where they are prepared: the session below really trains. */
const python = join(projectRoot, '.venvs/notebooks-kaggle/bin/python')

/** A base of toy size under the official one's name, with files of both kinds. */
function makeBase(folder: string): void {
  const sample = join(projectRoot, 'templates/sample')
  execFileSync(
    python,
    [join(sample, 'make_tiny_base.py'), folder, join(sample, 'about-rodizio.jsonl')],
    { stdio: 'pipe', timeout: 120_000 },
  )
  writeFileSync(join(folder, 'consolidated.safetensors'), 'never fetched'.repeat(100_000))
}

/** A command that is given something on its standard input. */
const piped = (place: Place, text: string, ...args: string[]) =>
  new Promise<{ code: number | null; out: string }>((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { env: place.env })
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part: Buffer) => {
        out += part.toString('utf8')
      })
    child.on('close', (code) => resolve({ code, out }))
    child.stdin.end(text)
  })

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())

it.skipIf(!existsSync(python))(
  'trains on a gated base that its sessions have no token for',
  async () => {
    using folder = temporaryFolder()
    const models = join(folder.path, 'models')
    mkdirSync(models)
    makeBase(models)
    await using hub = await startHubEmulator({
      stateDir: folder.path,
      clock: systemClock,
      repositories: [{ id: gatedId, folder: models, revision: gatedRevision, isGated: true }],
      users: {
        [anaToken]: { name: 'ana', accepted: [gatedId] },
        [biaToken]: { name: 'bia', accepted: [] },
      },
      largeBytes: 200_000,
    })
    await using place = await makePlace({
      RODIZIO_SAMPLE: 'off',
      RODIZIO_LOG: 'json',
      RODIZIO_HUB_URL: hub.url,
    })
    const said: string[] = []
    await place.start()
    await until('the accounts', async () => (await place.client().accounts()).length >= 3)
    const rows = join(projectRoot, 'templates/sample/about-rodizio.jsonl')
    await place.json('data', 'import', rows, '--name', 'rows')
    const small = { base: gatedId, quantization: 'none', batchSize: 1, accumulation: 2 }
    const set = Object.entries({ ...small, maxLength: 512 }).flatMap(([name, value]) => [
      '--set',
      `${name}=${value}`,
    ])
    const start = ['train', 'start', '--data', 'rows', '--name', 'r', '--engine', 'trl']
    await place.json(...start, '--steps', '2', '--heartbeat', '1s', ...set)

    const waiting = (words: RegExp) =>
      until(`the run to wait for ${words}`, async () =>
        words.test((await place.client().run('r')).waiting ?? ''),
      )
    await waiting(/no token is stored.*rodizio login hub/)
    const login = await execute(process.execPath, [program, 'login', 'hub'], {
      ...place.env,
      HF_TOKEN: biaToken,
    })
    said.push(login.out, login.err)
    expect(login).toMatchObject({ code: 0, out: expect.stringContaining('bia') })
    await waiting(new RegExp(`licence of ${gatedId} .*accept it at ${hub.url}/${gatedId}`))
    expect((await place.client().run('r')).sessions).toEqual([])
    const second = await piped(place, `${anaToken}\n`, 'login', 'hub')
    said.push(second.out)
    expect(second.code).toBe(0)

    const run = await completed(place, 'r')
    expect(run.sessions.at(-1)?.outcome).toBe('finished')
    const requests = hub.admin.requests()
    const byToken = requests.filter(({ headers }) => 'authorization' in headers)
    // The sessions' own requests were those for signed addresses, and no others.
    const withoutToken = requests.filter((one) => !byToken.includes(one))
    expect(new Set(withoutToken.map(({ rpc }) => rpc))).toEqual(new Set(['signed']))
    expect(byToken.some(({ rpc }) => rpc === 'signed')).toBe(false)
    expect(requests.filter(({ target }) => target.includes('consolidated'))).toEqual([])

    const commands = [['train', 'show', 'r'], ['train', 'logs', 'r'], ['config'], ['doctor']]
    for (const command of commands) {
      const { out, err } = await place.run(...command)
      said.push(out, err)
    }
    expect(said.join('\n')).toContain("hub token: ana's (read)")
    expect((await piped(place, '', 'logout', 'hub')).out).toContain('Forgotten')
    expect((await place.client().hubStatus()).state).toBe('none')
    await place.stop()
    said.push(place.output())
    const texts = filesBelow(place.data).map((path) => readFileSync(path).toString('latin1'))
    expect(texts.some((text) => text.includes(gatedId))).toBe(true)
    const adapters = texts.filter((text) => text.includes('"base_model_name_or_path"'))
    expect(adapters.length).toBeGreaterThan(0)
    for (const text of adapters) expect(text).toContain(`"base_model_name_or_path": "${gatedId}"`)
    for (const text of [...said, ...texts]) {
      for (const token of [anaToken, biaToken]) expect(text.includes(token)).toBe(false)
      expect(/\/_signed\/\S*Signature=/.test(text)).toBe(false)
    }
  },
)
