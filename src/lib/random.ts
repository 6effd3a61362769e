import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new identifier such as `run_4f1c…`: 80 random bits in hex, enough never to meet itself. */
export const newId = (prefix: string): string => `${prefix}_${randomBytes(10).toString('hex')}`

/** A secret with 192 random bits or as many as asked for, recognisable by its prefix so that a leak can be searched for. */
export const newSecret = (prefix: string, bits = 192): string =>
  `${prefix}_${randomBytes(bits / 8).toString('base64url')}`

export const sha256Hex = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex')

/** Compares two strings in a time that does not depend on where they differ. */
export function sameSecret(left: string, right: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(left).digest(),
    createHash('sha256').update(right).digest(),
  )
}
