import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { startHubEmulator } from '../../src/emulators/hub/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { tinyAdapter } from '../artifacts/tiny-lora.ts'
import { execute, projectRoot } from '../e2e/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const program = join(projectRoot, 'dist-box/rodizio')

beforeAll(() => {
  execFileSync('npm', ['run', 'build:box'], { cwd: projectRoot, stdio: 'ignore' })
}, 120_000)

it('the executable pulls on a box that has no Node, and knows no other command', async () => {
  using place = temporaryFolder()
  const adapter = tinyAdapter('one')
  const folder = join(place.path, 'models')
  mkdirSync(folder)
  for (const [name, bytes] of [...adapter.files, ['manifest.json', adapter.manifest] as const]) {
    writeFileSync(join(folder, name), bytes)
  }
  const repositories = [{ id: 'ana/house', folder }]
  const hub = await startHubEmulator({
    stateDir: join(place.path, 'hub'),
    clock: systemClock,
    repositories,
  })
  try {
    const env = { PATH: '/nowhere', HOME: place.path, RODIZIO_HUB_URL: hub.url }
    const to = join(place.path, 'adapter')
    const log = join(place.path, 'log')
    const exec = `command -v node > /dev/null || echo "$RODIZIO_VERSION" > ${log}`
    const from = ['--from', 'hub:ana/house', '--exec', exec]
    const pulled = await execute(program, ['pull', '--to', to, ...from], env)
    expect([pulled.code, pulled.err]).toEqual([0, ''])
    expect(readlinkSync(join(to, 'current'))).toBe(`versions/${readFileSync(log, 'utf8').trim()}`)
    expect(
      readFileSync(join(to, 'current/adapter_model.safetensors')).equals(
        adapter.files.get('adapter_model.safetensors') ?? Buffer.alloc(0),
      ),
    ).toBe(true)
    const version = await execute(program, ['--version'], env)
    const own = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')).version
    expect(version.out).toBe(`${own}\n`)
    expect((await execute(program, ['up'], env)).err).toContain("unknown command 'up'")
  } finally {
    await hub.close()
  }
}, 60_000)
