import { AppError } from '../../lib/errors.ts'

/** An account's right to call Kaggle: a legacy key with its user name, or an access token (`KGAT_…`). */
export type KaggleCredentials =
  | { readonly kind: 'key'; readonly username: string; readonly key: string }
  | { readonly kind: 'token'; readonly username?: string; readonly token: string }

/** The `Authorization` header. Throws `invalid` for what cannot stand in a header, without repeating it. */
export function authorizationOf(credentials: KaggleCredentials): string {
  if (credentials.kind === 'token') {
    if (!/^[\x21-\x7e]+$/.test(credentials.token)) throw unusable('token')
    return `Bearer ${credentials.token}`
  }
  const { username, key } = credentials
  if (!/^[\x21-\x7e]+$/.test(key) || !/^[^:\s]+$/.test(username)) throw unusable('user name or key')
  return `Basic ${Buffer.from(`${username}:${key}`).toString('base64')}`
}

/** Takes every form of the secret out of a text that came from outside. */
export function withoutSecrets(text: string, credentials: KaggleCredentials): string {
  const secret = credentials.kind === 'token' ? credentials.token : credentials.key
  const sent = authorizationOf(credentials).split(' ')[1] ?? secret
  return text.replaceAll(secret, '***').replaceAll(sent, '***')
}

const unusable = (what: string): AppError =>
  new AppError('invalid', `the Kaggle ${what} has characters that none of them has`, {
    code: 'credentials_malformed',
    next: 'Copy it again from kaggle.com/settings, without spaces or line ends',
  })
