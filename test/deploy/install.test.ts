import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { freePort } from '../e2e/service.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { bootstrap, packed, sha256Of } from './artifact.ts'

const place = temporaryFolder()
afterAll(() => place[Symbol.dispose]())
chmodSync(place.path, 0o755)
const wholeMachine = join(import.meta.dirname, 'whole-machine.sh')
const mayCopy =
  spawnSync(wholeMachine, ['sh', '-c', 'command -v runuser && command -v caddy']).status === 0

it.skipIf(!mayCopy)(
  'the user data’s script installs a service that runs as its own user, and commands that reach it',
  async () => {
    const file = packed(place.path)
    const tools = join(place.path, 'tools')
    mkdirSync(tools)
    copyFileSync(join(import.meta.dirname, 'fake-system.sh'), join(tools, 'systemctl'))
    const conf = join(place.path, 'install.conf')
    writeFileSync(conf, `HOST=rodizio.test\nARTIFACT=${file}\nSHA256=${sha256Of(file)}\n`)
    const install = join(place.path, 'rodizio-install')
    writeFileSync(install, bootstrap(), { mode: 0o755 })
    const script = `set -eu
${install} ${conf}
${install} ${conf} >/dev/null # again does no harm
echo "answers: $(rodizio status --json)"
echo "runs as: $(stat -c %U "/proc/$(rodizio status --json | sed 's/.*"pid":\\([0-9]*\\).*/\\1/')")"
echo "settings: $(RODIZIO_LANGUAGE=pt rodizio config --json)"
runuser -u nobody -- rodizio status 2>&1 || echo "others: $?"
stat -c '%n %a %U' /var/lib/rodizio /etc/rodizio/credentials /var/lib/rodizio/token
cat /etc/rodizio/caddy.env
rodizio-upgrade ${file} --sha256 ${sha256Of(file)}
`
    const { status, stdout, stderr } = spawnSync(wholeMachine, ['bash', '-c', script], {
      env: { PATH: `${tools}:${process.env.PATH ?? ''}`, FAKE_PORT: String(await freePort()) },
      encoding: 'utf8',
    })
    expect({ status, stderr }).toMatchObject({ status: 0 })
    expect(stdout).toContain('served at https://rodizio.test')
    expect(stdout).toMatch(/^answers: \{"status":"ok"/m)
    expect(stdout).toContain('runs as: rodizio')
    expect(stdout).toContain('"name":"RODIZIO_LANGUAGE","value":"pt","source":"environment"')
    expect(stdout).toContain('Say: sudo rodizio status')
    expect(stdout).toContain('others: 4')
    expect(stdout).toContain('/var/lib/rodizio 700 rodizio')
    expect(stdout).toContain('/etc/rodizio/credentials 700 root')
    expect(stdout).toContain('/var/lib/rodizio/token 600 rodizio')
    expect(stdout).toContain('RODIZIO_SITE=rodizio.test')
    expect(stdout).toContain('nothing to do')
  },
  60_000,
)
