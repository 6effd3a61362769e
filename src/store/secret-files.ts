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

/** The admin token that the commands on this machine send; `made` says whether this start made it. */
export function loadAdminToken(root: string): { readonly token: string; readonly made: boolean } {
  const file = tokenPath(root)
  const known = readToken(root)
  if (known) return { token: known, made: false }
  const token = newSecret('rz')
  writeFileSync(file, `${token}\n`, { mode: 0o600, flush: true })
  return { token, made: true }
}
