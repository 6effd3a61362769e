import type { RodizioClient } from '../api/client.ts'
import type { Config } from '../config/schema.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { bad, type Check, good } from './check.ts'

/** Whether a Google client is given whole; no word where there is none and none is needed. */
export function googleClient(config: Config): Check[] {
  const { GOOGLE_CLIENT_ID: id, GOOGLE_CLIENT_SECRET: secret, RODIZIO_STORE, sources } = config
  if (id && secret) {
    const from = config.GOOGLE_CLIENT_FILE ?? `the ${sources.GOOGLE_CLIENT_ID}`
    return [good('google client', `${id}, from ${from}`)]
  }
  if (id || secret) {
    const missing = id ? 'GOOGLE_CLIENT_SECRET' : 'GOOGLE_CLIENT_ID'
    const fix = `Set ${missing} too, or GOOGLE_CLIENT_FILE in place of both`
    return [bad('google client', `${missing} is not set`, fix)]
  }
  if (RODIZIO_STORE !== 'drive') return []
  const fix =
    'Set GOOGLE_CLIENT_FILE (or GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET), or RODIZIO_STORE=folder'
  return [bad('google client', 'none, and RODIZIO_STORE is drive', fix)]
}

/** How the service's sign-in at Google stands. */
export async function googleSignIn(client: Pick<RodizioClient, 'loginStatus'>): Promise<Check> {
  const fix = 'Sign in with: rodizio login google'
  try {
    const { state } = await client.loginStatus()
    return state === 'good' ? good('google sign-in', state) : bad('google sign-in', state, fix)
  } catch (error) {
    const next = error instanceof AppError ? error.next : undefined
    return bad('google sign-in', messageOf(error), next ?? fix)
  }
}
