import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LoginStatus } from '../../src/api/schemas.ts'
import { googleClient, googleSignIn } from '../../src/cli/google-checks.ts'
import { loadConfig } from '../../src/config/load.ts'
import { AppError } from '../../src/lib/errors.ts'
import { temporaryFolder } from '../temporary-folder.ts'

describe('what doctor says of the Google client', () => {
  const checked = (env: Record<string, string>) => {
    using folder = temporaryFolder()
    return googleClient(loadConfig(env, folder.path))
  }

  it('is nothing where there is none and none is needed', () => {
    expect(checked({})).toEqual([])
  })

  it('names the file that it is from, or the place of its values, and never the secret', () => {
    using folder = temporaryFolder()
    const file = join(folder.path, 'client.json')
    const client = { client_id: 'own.apps', client_secret: 'planted' }
    writeFileSync(file, JSON.stringify({ installed: client }))
    const [byFile] = googleClient(loadConfig({ GOOGLE_CLIENT_FILE: file }, folder.path))
    expect(byFile).toMatchObject({ ok: true, found: `own.apps, from ${file}` })
    const values = { GOOGLE_CLIENT_ID: 'own.apps', GOOGLE_CLIENT_SECRET: 'planted' }
    expect(checked(values)).toMatchObject([{ ok: true, found: 'own.apps, from the environment' }])
  })

  it.each([
    ['half of it', { GOOGLE_CLIENT_ID: 'x' }, 'Set GOOGLE_CLIENT_SECRET too'],
    ['the other half', { GOOGLE_CLIENT_SECRET: 'x' }, 'Set GOOGLE_CLIENT_ID too'],
    ['none, though Drive needs one', { RODIZIO_STORE: 'drive' }, 'GOOGLE_CLIENT_FILE'],
  ])('tells what to do about %s', (_what, env, fix) => {
    expect(checked(env)).toMatchObject([{ ok: false, fix: expect.stringContaining(fix) }])
  })
})

describe('what doctor says of the sign-in', () => {
  const told = (status: () => Promise<LoginStatus>) => googleSignIn({ loginStatus: status })

  it('is good, or how to sign in, or what the service says', async () => {
    expect(await told(async () => ({ state: 'good' }))).toMatchObject({ ok: true, fix: null })
    expect(await told(async () => ({ state: 'revoked' }))).toMatchObject({
      ok: false,
      found: 'revoked',
      fix: 'Sign in with: rodizio login google',
    })
    const refused = new AppError('invalid', 'no Google client', { next: 'Make one' })
    expect(await told(() => Promise.reject(refused))).toMatchObject({
      ok: false,
      found: 'no Google client',
      fix: 'Make one',
    })
  })
})
