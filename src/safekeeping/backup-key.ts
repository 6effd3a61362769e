import { createHmac, hkdfSync, randomBytes, scrypt } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { sameSecret } from '../lib/random.ts'

/**
 * How the key is made from a passphrase. 16 MB of memory for a moment: of the equally strong settings the one that suits a small
 * machine (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html, read 2026-11).
 */
const cost = { N: 2 ** 14, r: 8, p: 5 } as const

/** As it stands in a manifest. Costs are bounded: a manifest comes from elsewhere. */
export const Encryption = z.object({
  cipher: z.literal('aes-256-gcm in frames'),
  kdf: z.literal('scrypt'),
  N: z
    .int()
    .min(2)
    .max(2 ** 17),
  r: z.int().min(1).max(16),
  p: z.int().min(1).max(16),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  /** Tells a wrong passphrase from a damaged backup. */
  check: z.string().regex(/^[0-9a-f]{64}$/),
})
export type Encryption = z.infer<typeof Encryption>

/** The keys of one backup. */
export interface BackupKeys {
  readonly encryption: Encryption
  /** For the file of that name alone. */
  readonly forFile: (name: string) => Uint8Array
  /** Of the manifest's text: only who has the passphrase can make it. */
  readonly sealOf: (text: string) => string
}

/** Fresh keys for a new backup. */
export async function newKeys(passphrase: string): Promise<BackupKeys> {
  const salt = randomBytes(16).toString('hex')
  const main = await derive(passphrase, { ...cost, salt })
  const encryption = { cipher: 'aes-256-gcm in frames', kdf: 'scrypt', ...cost, salt } as const
  return keysFrom(main, { ...encryption, check: checkOf(main) })
}

/** The keys of a backup that stands. @throws AppError `invalid` (`backup_key_wrong`) for another passphrase than it was made with */
export async function keysOf(passphrase: string, encryption: Encryption): Promise<BackupKeys> {
  const main = await derive(passphrase, encryption)
  if (sameSecret(checkOf(main), encryption.check)) return keysFrom(main, encryption)
  throw new AppError('invalid', 'the backup was made with another key', {
    code: 'backup_key_wrong',
    next: 'Name the file of the key that it was made with in RODIZIO_BACKUP_KEY_FILE',
  })
}

const derive = (
  passphrase: string,
  { N, r, p, salt }: Pick<Encryption, 'N' | 'r' | 'p' | 'salt'>,
): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    const maxmem = 256 * N * r
    scrypt(passphrase, Buffer.from(salt, 'hex'), 32, { N, r, p, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })

const subKey = (main: Uint8Array, purpose: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', main, new Uint8Array(), `rodizio backup 1 ${purpose}`, 32))

const checkOf = (main: Uint8Array): string => Buffer.from(subKey(main, 'check')).toString('hex')

const keysFrom = (main: Uint8Array, encryption: Encryption): BackupKeys => ({
  encryption,
  forFile: (name) => subKey(main, `file ${name}`),
  sealOf: (text) => createHmac('sha256', subKey(main, 'manifest')).update(text).digest('hex'),
})
