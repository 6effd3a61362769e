import type { ArtifactStore, ByteRange } from '../artifacts/artifact-store.ts'
import { AppError } from '../lib/errors.ts'
import { newSecret, sha256Hex } from '../lib/random.ts'
import type { SessionGate, Transfer } from '../rotation/session-gate.ts'
import type { Carried, DownloadWay, UploadWay } from './ways.ts'

export interface UrlPorts {
  readonly gate: SessionGate
  readonly artifacts: ArtifactStore
  /** Bytes of a data set file, by version and file name. */
  readonly readData: (version: string, file: string, range: ByteRange) => AsyncIterable<Uint8Array>
  /** The address under which the session reaches this service; empty for URLs relative to where it calls. */
  readonly baseUrl: () => string
}

/**
 * Upload and download URLs that are capabilities: each names one file for one session, dies with it, and is spent by the
 * first whole transfer. Only their hashes are stored.
 */
export function oneTimeUrls(ports: UrlPorts) {
  async function issue(
    sessionId: string,
    direction: Transfer['direction'],
    files: readonly Carried[],
  ): Promise<string[]> {
    const base = ports.baseUrl()
    const made = files.map((file) => ({ file, secret: newSecret('rzu') }))
    await ports.gate.issue(
      made.map(({ file, secret }) => ({
        tokenHash: sha256Hex(secret),
        sessionId,
        direction,
        path: file.path,
        bytes: file.bytes,
        sha256: file.sha256,
      })),
    )
    return made.map(({ secret }) => `${base}/v1/transfers/${secret}`)
  }

  async function redeem(secret: string, direction: Transfer['direction']): Promise<Transfer> {
    const transfer = await ports.gate.transfer(sha256Hex(secret))
    if (!transfer || transfer.direction !== direction) {
      throw new AppError('not-found', 'this URL was not issued here', { code: 'url_unknown' })
    }
    if (!transfer.current) {
      throw new AppError('conflict', 'the session of this URL is over', {
        code: 'fenced',
        next: 'End it; the run goes on elsewhere',
      })
    }
    if (transfer.spent) {
      throw new AppError('conflict', 'this URL has been used', {
        code: 'url_spent',
        next: 'Ask for fresh URLs: the same request again gives them',
      })
    }
    return transfer
  }

  return {
    uploads: async (sessionId: string, files: readonly Carried[]): Promise<UploadWay[]> =>
      (await issue(sessionId, 'upload', files)).map((url) => ({ url, how: 'put' })),
    downloads: async (sessionId: string, files: readonly Carried[]): Promise<DownloadWay[]> =>
      (await issue(sessionId, 'download', files)).map((url) => ({ url, headers: {} })),
    /** Takes one file in; the URL is spent only when the whole file stands. */
    async receive(secret: string, body: AsyncIterable<Uint8Array>): Promise<void> {
      const transfer = await redeem(secret, 'upload')
      await ports.artifacts.receive(storeKey(transfer.path), body, transfer)
      await ports.gate.spend(transfer.tokenHash)
    },
    /** The file behind a download URL; the caller says `spent` when its last byte has left. */
    async open(secret: string) {
      const transfer = await redeem(secret, 'download')
      return {
        bytes: transfer.bytes,
        sha256: transfer.sha256,
        read: (range: ByteRange) => readPath(transfer.path, range),
        /** The URL has done its work once its last byte has left. */
        spent: () => ports.gate.spend(transfer.tokenHash),
      }
    },
  }

  async function readPath(path: string, range: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const [place, version = '', file = ''] = path.split('/')
    if (place === 'data') return ports.readData(version, file, range)
    return ports.artifacts.read(storeKey(path), range)
  }
}

const storeKey = (path: string): string => path.replace(/^store\//, '')

export type OneTimeUrls = ReturnType<typeof oneTimeUrls>
