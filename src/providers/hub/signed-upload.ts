import type { SignedUpload } from '../../artifacts/publication.ts'
import type { AppError } from '../../lib/errors.ts'
import { garbledAnswer } from './failures.ts'

const mostParts = 10_000 // as S3 has it

/** How an answer of the LFS batch says that a file is sent. */
interface UploadAction {
  readonly href: string
  readonly header?: Readonly<Record<string, unknown>> | null | undefined
}

/**
 * An upload as the hub has signed it. Its addresses are https, or of this machine where the hub itself is; headers are those that the
 * hub has named. @throws AppError `unavailable` (`bad_answer`) for anything else
 */
export function signedUpload(
  file: { readonly name: string; readonly bytes: number; readonly sha256: string },
  { href, header }: UploadAction,
  hubUrl: string,
  doing: string,
): SignedUpload {
  const refuse = (): AppError => garbledAnswer(doing)
  const checked = (address: unknown): string => {
    if (typeof address === 'string' && isUploadAddress(address, hubUrl)) return address
    throw refuse()
  }
  const told = Object.entries(header ?? {})
  const { name, bytes, sha256 } = file
  const partBytes = Number(told.find(([key]) => key.toLowerCase() === 'chunk_size')?.[1])
  if (Number.isInteger(partBytes) && partBytes > 0) {
    const parts = told.filter(([key]) => /^\d+$/.test(key))
    const hrefs = parts.toSorted(([a], [b]) => Number(a) - Number(b)).map(([, url]) => checked(url))
    const isWhole = hrefs.length === Math.ceil(bytes / partBytes) && hrefs.length <= mostParts
    if (!isWhole) throw refuse()
    return { name, bytes, sha256, href: checked(href), headers: {}, parts: { partBytes, hrefs } }
  }
  const headers = told.flatMap(([key, value]) =>
    /^[A-Za-z0-9-]+$/.test(key) && typeof value === 'string' && /^[\x20-\x7e]*$/.test(value)
      ? [[key.toLowerCase(), value] as const]
      : [],
  )
  const own = headers.filter(([key]) => !hopHeaders.has(key))
  return { name, bytes, sha256, href: checked(href), headers: Object.fromEntries(own), parts: null }
}

/** Of the connection, not of the file. */
const hopHeaders: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
])

function isUploadAddress(address: string, hubUrl: string): boolean {
  const url = URL.parse(address)
  if (url === null) return false
  if (url.username !== '' || url.password !== '') return false
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && isLoopback(url) && isLoopback(new URL(hubUrl))
}

const isLoopback = ({ hostname }: URL): boolean =>
  /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
