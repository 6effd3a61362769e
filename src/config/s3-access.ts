import { AppError } from '../lib/errors.ts'
import type { Config } from './schema.ts'

type S3Settings = Pick<
  Config,
  | 'RODIZIO_S3_ENDPOINT'
  | 'RODIZIO_S3_REGION'
  | 'RODIZIO_S3_ACCESS_KEY_ID'
  | 'RODIZIO_S3_SECRET_ACCESS_KEY'
>

/** Where a store with the S3 API answers, and by which key. */
export interface S3Access {
  readonly endpoint: string
  readonly region: string
  readonly keyId: string
  readonly secretKey: string
}

/** @throws AppError `invalid` (`s3_setting_missing`) that names what is missing */
export function s3Access(config: S3Settings): S3Access {
  const { RODIZIO_S3_ENDPOINT: endpoint, RODIZIO_S3_REGION: region } = config
  const { RODIZIO_S3_ACCESS_KEY_ID: keyId, RODIZIO_S3_SECRET_ACCESS_KEY: secretKey } = config
  if (endpoint && keyId && secretKey) return { endpoint, region, keyId, secretKey }
  const missing = missingOf(config)
  throw new AppError('invalid', `for a place of s3://… is missing: ${missing.join(', ')}`, {
    code: 's3_setting_missing',
    next: `Set ${missing.length > 1 ? 'them' : 'it'} where the other settings are (rodizio config shows the file); the store’s console shows the endpoint and makes the key`,
  })
}

/** Settings without which no place of s3://… is reached from this process. */
export const missingOf = (config: S3Settings) =>
  (
    ['RODIZIO_S3_ENDPOINT', 'RODIZIO_S3_ACCESS_KEY_ID', 'RODIZIO_S3_SECRET_ACCESS_KEY'] as const
  ).filter((name) => !config[name])
