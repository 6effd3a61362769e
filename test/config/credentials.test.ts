import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeConfig } from '../../src/config/describe.ts'
import { loadConfig } from '../../src/config/load.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** A project whose unit has been given those credentials, file by file. */
function given(credentials: Readonly<Record<string, string>>, configFile = '') {
  const folder = temporaryFolder()
  const at = join(folder.path, 'credentials')
  mkdirSync(at)
  for (const [name, text] of Object.entries(credentials)) writeFileSync(join(at, name), text)
  mkdirSync(join(folder.path, 'data'))
  writeFileSync(join(folder.path, 'data/config.env'), configFile)
  return {
    load: (env: Readonly<Record<string, string>> = {}) =>
      loadConfig({ CREDENTIALS_DIRECTORY: at, ...env }, folder.path),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}
const url = 'smtps://ana:planted-password@mail.example'

describe('a credential of the unit', () => {
  it('is the setting of its name, without the end of its line, and shown masked', () => {
    using unit = given({ settings_RODIZIO_SMTP_URL: `${url}\n` })
    const config = unit.load()
    expect(config.RODIZIO_SMTP_URL).toBe(url)
    const line = describeConfig(config).find(({ name }) => name === 'RODIZIO_SMTP_URL')
    expect(line).toMatchObject({ source: 'credential' })
    expect(JSON.stringify(describeConfig(config))).not.toContain('planted-password')
  })

  it('goes before the config file, and behind the environment', () => {
    using unit = given({ settings_KAGGLE_KEY: 'of-the-unit' }, 'KAGGLE_KEY=of-the-file\n')
    expect(unit.load().KAGGLE_KEY).toBe('of-the-unit')
    expect(unit.load({ KAGGLE_KEY: 'of-the-shell' }).KAGGLE_KEY).toBe('of-the-shell')
  })

  it('may be the key of an S3 store', () => {
    using unit = given({ settings_RODIZIO_S3_SECRET_ACCESS_KEY: 'planted-secret\n' })
    expect(unit.load().RODIZIO_S3_SECRET_ACCESS_KEY).toBe('planted-secret')
    expect(JSON.stringify(describeConfig(unit.load()))).not.toContain('planted-secret')
  })

  it('that is empty is not set', () => {
    using unit = given({ settings_KAGGLE_KEY: '\n' }, 'KAGGLE_KEY=of-the-file\n')
    expect(unit.load().KAGGLE_KEY).toBe('of-the-file')
  })

  it('of another program is nobody’s business here', () => {
    using unit = given({ key: 'of a server', KAGGLE_KEY: 'loaded alone' })
    expect(unit.load().KAGGLE_KEY).toBeUndefined()
  })

  it('that is no setting is refused by name, and none of its words are repeated', () => {
    using unit = given({ settings_RODIZIO_SMTP_URI: url })
    expect(() => unit.load()).toThrow('RODIZIO_SMTP_URI in the credentials is no setting')
    using wrong = given({ settings_RODIZIO_HEARTBEAT_URL: 'planted-password' })
    let said: unknown
    try {
      wrong.load()
    } catch (error) {
      said = error
    }
    expect(said).toMatchObject({ next: expect.stringContaining('Change it in its credential') })
    expect(String(said)).not.toContain('planted-password')
  })

  it('whose folder is not there is said with the way out', () => {
    expect(() => loadConfig({ CREDENTIALS_DIRECTORY: '/none' }, '/nowhere')).toThrow(
      'the credentials in /none cannot be read',
    )
  })
})
