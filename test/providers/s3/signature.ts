import { createHash, createHmac } from 'node:crypto'

/**
 * Signature Version 4 as a store checks it, written after its description and not after any client:
 * docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (read 2026-11).
 */

export interface SignedRequest {
  readonly method: string
  /** Path and query as they were sent. */
  readonly target: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

const hex = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const encoded = (text: string) =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )

/** The signature that such a request has to have. */
export function expectedSignature(
  { method, target, headers }: SignedRequest,
  signedHeaders: readonly string[],
  region: string,
  secretKey: string,
): string {
  const [path = '', query = ''] = target.split('?')
  const canonical = [
    method,
    path
      .split('/')
      .map((part) => encoded(decodeURIComponent(part)))
      .join('/'),
    query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const [name = '', value = ''] = pair
          .split('=')
          .map((half) => decodeURIComponent(half.replaceAll('+', ' ')))
        return `${encoded(name)}=${encoded(value)}`
      })
      .toSorted()
      .join('&'),
    ...signedHeaders.map(
      (name) => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, ' ')}`,
    ),
    '',
    signedHeaders.join(';'),
    headers['x-amz-content-sha256'],
  ].join('\n')
  const at = String(headers['x-amz-date'])
  const scope = `${at.slice(0, 8)}/${region}/s3/aws4_request`
  const key = ['s3', 'aws4_request'].reduce<Buffer>(
    (one, part) => hmac(one, part),
    hmac(hmac(`AWS4${secretKey}`, at.slice(0, 8)), region),
  )
  return hmac(key, `AWS4-HMAC-SHA256\n${at}\n${scope}\n${hex(canonical)}`).toString('hex')
}
