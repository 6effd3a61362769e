import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { readToken, tokenPath } from '../config/service-file.ts'
import { newSecret } from '../lib/random.ts'
import { folderLayout } from './data-folder.ts'

/** The key that seals stored secrets; made at the first start, readable by this user alone. */
export function loadSecretKey(root: string): Uint8Array {
  const file = folderLayout(root).secretKey
  if (!existsSync(file)) {
    writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flush: true })
  }
  return Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url')
}

export interface AdminToken {
  readonly token: string
  /** Whether this start made it, and so shows it. */
  readonly made: boolean
  /** Writes a token that was just made; called once the service stands, so that one that was never shown is never kept. */
  readonly keep: () => void
}

/** The admin token that the commands on this machine send. */
export function loadAdminToken(root: string): AdminToken {
  const file = tokenPath(root)
  const known = readToken(root)
  if (known) return { token: known, made: false, keep: () => undefined }
  const token = newSecret('rz')
  const keep = () => writeFileSync(file, `${token}\n`, { mode: 0o600, flush: true })
  return { token, made: true, keep }
}
