import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeConfig } from '../../src/config/describe.ts'
import { usesEmulators } from '../../src/config/emulated.ts'
import { loadConfig } from '../../src/config/load.ts'
import { settings } from '../../src/config/schema.ts'
import { readServiceFile, readToken } from '../../src/config/service-file.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** An installed project whose data folder holds that config file. */
function project(text?: string) {
  const folder = temporaryFolder()
  mkdirSync(join(folder.path, 'data'))
  if (text !== undefined) writeFileSync(join(folder.path, 'data/config.env'), text)
  return folder
}
const caught = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (error) {
    return error
  }
}

describe('a setting', () => {
  it('comes from the environment before the file before its default, and says from where', () => {
    using folder = project('RODIZIO_PORT=1111\nRODIZIO_HOST=0.0.0.0\n# a comment\n')
    const config = loadConfig({ RODIZIO_PORT: '2222' }, folder.path)
    expect(config).toMatchObject({
      RODIZIO_PORT: 2222,
      RODIZIO_HOST: '0.0.0.0',
      RODIZIO_TICK_SECONDS: 5,
    })
    expect(config.sources).toMatchObject({
      RODIZIO_PORT: 'environment',
      RODIZIO_HOST: 'file',
      RODIZIO_TICK_SECONDS: 'default',
      RODIZIO_PUBLIC_URL: 'unset',
    })
    expect(config.file).toBe(join(folder.path, 'data/config.env'))
  })

  it('that is empty is not set, in the environment and in the file', () => {
    using folder = project('RODIZIO_HOST=\nRODIZIO_PORT=1111\n')
    const env = Object.fromEntries(Object.keys(settings).map((name) => [name, '']))
    const config = loadConfig({ ...env, RODIZIO_CONFIG: '' }, folder.path)
    expect(config).toMatchObject({
      RODIZIO_HOST: '127.0.0.1',
      RODIZIO_PORT: 1111,
      RODIZIO_DATA_DIR: join(folder.path, 'data'),
      KAGGLE_KEY: undefined,
    })
    expect(config.file).toBe(join(folder.path, 'data/config.env'))
  })

  it('stands beside the data, wherever that is, or in the file that is named', () => {
    using folder = project()
    const other = join(folder.path, 'elsewhere')
    mkdirSync(other)
    writeFileSync(join(other, 'config.env'), 'RODIZIO_PORT=3333')
    writeFileSync(join(other, 'mine.env'), 'RODIZIO_PORT=4444')
    expect(loadConfig({ RODIZIO_DATA_DIR: other }, folder.path).RODIZIO_PORT).toBe(3333)
    const named = { RODIZIO_DATA_DIR: other, RODIZIO_CONFIG: join(other, 'mine.env') }
    expect(loadConfig(named, folder.path).RODIZIO_PORT).toBe(4444)
  })

  it.each([
    ['on', true],
    ['yes', true],
    ['1', true],
    ['true', true],
    ['off', false],
    ['no', false],
    ['0', false],
    ['false', false],
  ])('is switched by %s', (word, value) => {
    using folder = project()
    expect(loadConfig({ RODIZIO_SAMPLE: word }, folder.path).RODIZIO_SAMPLE).toBe(value)
  })

  it.each([
    ['RODIZIO_PORT', 'http'],
    ['RODIZIO_PORT', '65536'],
    ['RODIZIO_PORT', '-1'],
    ['RODIZIO_PORT', '1.5'],
    ['RODIZIO_PUBLIC_URL', 'example.org'],
    ['RODIZIO_PUBLIC_URL', 'ftp://example.org'],
    ['RODIZIO_EMULATORS', 'maybe'],
    ['RODIZIO_SAMPLE', 'maybe'],
    ['RODIZIO_TICK_SECONDS', '0'],
    ['RODIZIO_LOG', 'loud'],
    ['RODIZIO_BACKUP_TO', 'ftp://there'],
    ['RODIZIO_S3_ENDPOINT', 'http://s3.example.com'],
    ['RODIZIO_S3_ENDPOINT', 'http://127.0.0.1.example.com'],
    ['RODIZIO_S3_ENDPOINT', 'https://s3.example.com/?bucket=mine'],
    ['RODIZIO_S3_REGION', 'Europe, somewhere'],
    ['RODIZIO_S3_ACCESS_KEY_ID', 'two words'],
  ])('%s=%s is refused by name, with the value and the next step', (name, value) => {
    using folder = project()
    const error = caught(() => loadConfig({ [name]: value }, folder.path))
    expect(error).toMatchObject({ kind: 'invalid', code: 'invalid_setting' })
    expect(error).toMatchObject({ message: expect.stringContaining(`${name}: "${value}"`) })
    expect(error).toMatchObject({ next: expect.stringContaining('Change it in the environment') })
  })

  it('that is wrong in the file is refused with the file', () => {
    using folder = project('RODIZIO_PORT=x')
    expect(caught(() => loadConfig({}, folder.path))).toMatchObject({
      next: expect.stringContaining('config.env'),
    })
  })
})

it.each([
  ['https://s3.example.com/', 'https://s3.example.com'],
  ['http://127.0.0.1:9000', 'http://127.0.0.1:9000'],
  ['http://localhost:3900/', 'http://localhost:3900'],
])('an S3 store may answer at %s', (given, meant) => {
  using folder = project()
  expect(loadConfig({ RODIZIO_S3_ENDPOINT: given }, folder.path).RODIZIO_S3_ENDPOINT).toBe(meant)
})

describe('an unknown setting', () => {
  it.each([
    ['RODIZIO_PROT', 'RODIZIO_PORT'],
    ['RODIZIO_DATADIR', 'RODIZIO_DATA_DIR'],
    ['RODIZIO_EMULATOR', 'RODIZIO_EMULATORS'],
    ['RODIZIO_KAGLE_URL', 'RODIZIO_KAGGLE_URL'],
  ])('%s is refused, and %s proposed', (name, near) => {
    using folder = project()
    const error = caught(() => loadConfig({ [name]: '1' }, folder.path))
    expect(error).toMatchObject({
      kind: 'invalid',
      code: 'unknown_setting',
      message: expect.stringContaining(`${name} in the environment`),
      next: expect.stringContaining(`Did you mean ${near}?`),
    })
  })

  it('in the file is refused with the file, whatever its name begins with', () => {
    using folder = project('PATH=/bin\n')
    const error = caught(() => loadConfig({}, folder.path))
    expect(error).toMatchObject({ message: expect.stringMatching(/^PATH in .*config\.env is no/) })
  })

  it('of others is nobody’s business here', () => {
    using folder = project()
    const env = { PATH: '/bin', HOME: '/root', KAGGLE_CONFIG_DIR: 'x', RODIZIO_TEST_LIVE: '1' }
    expect(loadConfig(env, folder.path).RODIZIO_PORT).toBe(8787)
  })

  it('named as a config file is refused when it is not there', () => {
    using folder = project()
    const env = { RODIZIO_CONFIG: join(folder.path, 'none.env') }
    expect(caught(() => loadConfig(env, folder.path))).toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('none.env'),
    })
  })
})

describe('secrets', () => {
  const env = { KAGGLE_KEY: '0123456789abcdef0123456789abcd77', RODIZIO_TOKEN: 'short' }

  it('are masked where settings are shown: at most two characters, of long ones', () => {
    using folder = project()
    const shown = describeConfig(loadConfig(env, folder.path))
    const shownAs = (wanted: string) => shown.find(({ name }) => name === wanted)?.value
    expect(shownAs('KAGGLE_KEY')).toBe('••••77')
    expect(shownAs('RODIZIO_TOKEN')).toBe('••••')
    expect(shownAs('KAGGLE_API_TOKEN')).toBeNull()
    expect(shownAs('RODIZIO_SAMPLE')).toBe('on')
    expect(shown.map(({ name }) => name)).toEqual(Object.keys(settings))
    expect(JSON.stringify(shown)).not.toContain(env.KAGGLE_KEY)
  })
})

describe('what a service leaves for the commands', () => {
  it('is read when it is whole, and is nothing otherwise', () => {
    using folder = temporaryFolder()
    expect(readServiceFile(folder.path)).toBeUndefined()
    expect(readToken(folder.path)).toBeUndefined()
    const file = join(folder.path, 'service.json')
    for (const text of ['', '{"pid": 1', 'null', '[]', '{"pid": 1, "url": "x"}']) {
      writeFileSync(file, text)
      expect(readServiceFile(folder.path), text).toBeUndefined()
    }
    writeFileSync(file, '{"pid": 1, "url": "http://x", "startedAt": "now"}')
    expect(readServiceFile(folder.path)).toEqual({
      pid: 1,
      url: 'http://x',
      publicUrl: null,
      startedAt: 'now',
    })
    writeFileSync(join(folder.path, 'token'), 'rz_x\n')
    expect(readToken(folder.path)).toBe('rz_x')
    writeFileSync(join(folder.path, 'token'), '\n')
    expect(readToken(folder.path)).toBeUndefined()
  })
})

describe('the emulators', () => {
  it.each([
    ['nothing real is known', {}, false, true],
    ['a real account is in the books', {}, true, false],
    ['an address is set', { RODIZIO_KAGGLE_URL: 'http://127.0.0.1:1' }, false, false],
    ['a token is set', { KAGGLE_API_TOKEN: 'KGAT_x' }, false, false],
    ['user name and key are set', { KAGGLE_USERNAME: 'ana', KAGGLE_KEY: 'k' }, false, false],
    ['a user name alone is set', { KAGGLE_USERNAME: 'ana' }, false, true],
    ['they are switched on', { RODIZIO_EMULATORS: 'on', KAGGLE_API_TOKEN: 'KGAT_x' }, true, true],
    ['they are switched off', { RODIZIO_EMULATORS: 'off' }, false, false],
  ])('when %s', (_why, env, hasRealAccount, used) => {
    using folder = project()
    expect(usesEmulators(loadConfig(env, folder.path), hasRealAccount)).toBe(used)
  })
})
