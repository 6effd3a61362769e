import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeConfig } from '../../src/config/describe.ts'
import { besideEmulators } from '../../src/config/emulated.ts'
import { loadConfig } from '../../src/config/load.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const id = 'own-client.apps.example.com'
const secret = 'GOCSPX-planted-secret'
const client = { client_id: id, client_secret: secret }

/** A project with that text in `client.json` beside its config file. */
function project(content: unknown, config = '') {
  const folder = temporaryFolder()
  mkdirSync(join(folder.path, 'data'))
  const file = join(folder.path, 'data/client.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  writeFileSync(join(folder.path, 'data/config.env'), config)
  return {
    file,
    load: (env: Record<string, string>) => loadConfig(env, folder.path),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

describe('the file of a Google client', () => {
  it.each(['installed', 'web'])('is read as the console gives it, under %s', (key) => {
    using place = project({ [key]: client })
    const config = place.load({ GOOGLE_CLIENT_FILE: place.file })
    expect(config).toMatchObject({ GOOGLE_CLIENT_ID: id, GOOGLE_CLIENT_SECRET: secret })
    expect(config.sources).toMatchObject({
      GOOGLE_CLIENT_FILE: 'environment',
      GOOGLE_CLIENT_ID: 'client file',
      GOOGLE_CLIENT_SECRET: 'client file',
    })
    expect(JSON.stringify(describeConfig(config))).not.toContain(secret)
    expect(besideEmulators(config, false)).toBe(config)
  })

  it('stands beside the config file that names it, wherever the service is started', () => {
    using place = project({ installed: client }, 'GOOGLE_CLIENT_FILE=client.json')
    expect(place.load({})).toMatchObject({
      GOOGLE_CLIENT_ID: id,
      GOOGLE_CLIENT_FILE: place.file,
    })
  })

  it('that is the key of a service account is refused, with the reason and without the key', () => {
    using place = project({
      type: 'service_account',
      client_email: 'a@b',
      private_key: '-----BEGIN planted',
    })
    expect(() => place.load({ GOOGLE_CLIENT_FILE: place.file })).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        code: 'google_service_account',
        message: expect.stringMatching(/client\.json.*own no storage/),
        next: expect.stringContaining('TVs and limited input devices'),
      }),
    )
  })

  it.each([
    [
      'somebody’s sign-in',
      { type: 'authorized_user', ...client },
      "is somebody's sign-in with another program, not an OAuth client",
    ],
    ['nothing', '', 'is not the JSON file of an OAuth client'],
    ['no JSON', secret, 'is not the JSON file of an OAuth client'],
    ['empty', '{}', 'is not the JSON file of an OAuth client'],
    [
      'without a secret',
      { installed: { client_id: id } },
      'is not the JSON file of an OAuth client',
    ],
  ])('is refused as %s, and nothing of it repeated', (_what, content, why) => {
    using place = project(content)
    expect(() => place.load({ GOOGLE_CLIENT_FILE: place.file })).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        code: 'google_client_file',
        message: `GOOGLE_CLIENT_FILE: ${place.file} ${why}`,
      }),
    )
  })

  it.each([
    ['none.json', /none\.json does not exist/],
    ['.', /cannot be read \(EISDIR\)/],
  ])('is refused by its path when it is %s', (name, why) => {
    using place = project('', `GOOGLE_CLIENT_FILE=${name}`)
    expect(() => place.load({})).toThrow(
      expect.objectContaining({
        code: 'google_client_file',
        message: expect.stringMatching(why),
      }),
    )
  })

  it.each(['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'])(
    'beside %s is refused, with where both were given and without their values',
    (name) => {
      using place = project({ installed: client }, 'GOOGLE_CLIENT_FILE=client.json')
      expect(() => place.load({ [name]: 'other-value' })).toThrow(
        expect.objectContaining({
          kind: 'invalid',
          code: 'setting_conflict',
          message: `GOOGLE_CLIENT_FILE (in the config file) and ${name} (in the environment) are both set, and each names a client`,
          next: expect.stringContaining('Unset'),
        }),
      )
    },
  )
})
