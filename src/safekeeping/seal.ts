import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError } from '../lib/errors.ts'

const version = 'v1'

/** Encrypts a secret for storage: AES-256-GCM, bound to its purpose so that sealed texts cannot be swapped. */
export function seal(key: Uint8Array, purpose: string, secret: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(purpose))
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return [
    version,
    ...[nonce, cipher.getAuthTag(), sealed].map((b) => b.toString('base64url')),
  ].join('.')
}

/** @throws AppError `internal` when the key is another one or the text was changed */
export function unseal(key: Uint8Array, purpose: string, sealed: string): string {
  const [, nonce, tag, body] = sealed.split('.').map((part) => Buffer.from(part, 'base64url'))
  try {
    if (!nonce || !tag || !body) throw new Error('not a sealed text')
    const decipher = createDecipheriv('aes-256-gcm', key, nonce)
    decipher.setAAD(Buffer.from(purpose))
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
  } catch (cause) {
    throw new AppError(
      'internal',
      `the stored secret of ${purpose} cannot be opened with this key`,
      {
        code: 'sealed_with_another_key',
        next: 'Put the right secret.key back into the data folder, or store the secret again',
        cause,
      },
    )
  }
}
