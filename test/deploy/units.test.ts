import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const units = readdirSync(deploy, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.(?:service|timer)$/.test(name),
)
const isThere = spawnSync('systemd-analyze', ['--version']).status === 0

/** What systemd says of a unit, as it stands or changed. */
function saidOf(name: string, changed: (text: string) => string): string[] {
  using folder = temporaryFolder()
  const file = join(folder.path, basename(name))
  // Its program is installed elsewhere than here.
  const text = readFileSync(join(deploy, name), 'utf8').replaceAll(
    /^ExecStart=\S+/gm,
    'ExecStart=/bin/true',
  )
  writeFileSync(file, changed(text))
  if (name.endsWith('.timer')) {
    const service = name.replace(/timer$/, 'service') // without it a timer is refused for that alone
    const own = readFileSync(join(deploy, service), 'utf8').replaceAll(
      /^ExecStart=\S+/gm,
      'ExecStart=/bin/true',
    )
    writeFileSync(join(folder.path, basename(service)), own)
  }
  const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], {
    encoding: 'utf8',
  })
  return stderr.split('\n').filter((line) => line.includes(basename(name)))
}

describe.skipIf(!isThere)('a unit', () => {
  it.each(units)('%s is understood by systemd', (name) => {
    expect(saidOf(name, (text) => text)).toEqual([])
  })

  it.each(units)('%s is told when a word of it is wrong', (name) => {
    const said = saidOf(name, (text) =>
      text.replace(/^\[(?:Service|Timer)\]$/m, '$&\nRestrat=always'),
    )
    expect(said.join()).toContain('Restrat')
  })
})
