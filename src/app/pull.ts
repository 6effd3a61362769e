import { resolve as resolvePath } from 'node:path'
import type { Served } from '../artifacts/served.ts'
import { goLive, type Went } from '../control/go-live.ts'
import { type Offer, type Progress, pullVersion } from '../control/pull-version.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { download } from '../providers/pull/ranged-download.ts'
import { type ReloadBy, reload } from '../providers/pull/reload.ts'
import { lockFolder } from '../store/pull-lock.ts'
import { versionFolder } from '../store/version-folder.ts'
import { type FormatWanted, makeFormat } from './pull-formats.ts'

export { driveFolderOf, driveServed } from '../providers/pull/drive-source.ts'
export { readerOf } from '../providers/pull/google-reader.ts'
export { hubServed, hubSourceOf } from '../providers/pull/hub-source.ts'

export interface ControlPlane {
  readonly base: string
  readonly token: string
  /** Null when it is still `after` at the end of the wait. Throws AppError. */
  servedAdapter(asked: {
    run: string | undefined
    version: string | undefined
    after: string | undefined
    waitSeconds: number
    signal?: AbortSignal
  }): Promise<Served | null>
}

export interface PullOptions {
  readonly client: ControlPlane
  /** The folder of the box. */
  readonly to: string
  readonly run: string | undefined
  readonly version: string | undefined
  /** Who is told of a new version; null where `current` alone is followed. */
  readonly reloadBy: ReloadBy | null
  /** What is made of a version before anything leads to it; nothing when left out. */
  readonly format?: FormatWanted
  readonly clock: Clock
  readonly connections?: number
  readonly progress?: (progress: Progress) => void
}

export interface PullResult {
  readonly version: string
  readonly line: string
  readonly run: string
  /** Where it stands; `current` leads there. */
  readonly path: string
  /** Bytes that had to come. */
  readonly fetched: number
  readonly went: Went
}

/** Brings what is served into a folder, has `current` lead to it, and whoever serves take it. */
export function openPull(options: PullOptions) {
  const { client, run, clock, reloadBy } = options
  const folder = versionFolder(resolvePath(options.to))

  /** @param signal ends the wait, not what has begun to come */
  async function once(
    after: string | undefined,
    waitSeconds: number,
    signal?: AbortSignal,
  ): Promise<PullResult | null> {
    const asked = { run, version: options.version, ...(signal ? { signal } : {}) }
    const found = await client.servedAdapter({ ...asked, after, waitSeconds })
    if (!found) return null
    const offer = offerOf(found, options)
    const { fetched } = await pullVersion(folder, offer, {
      clock,
      ...(options.progress ? { progress: options.progress } : {}),
    })
    if (options.format) await makeFormat(folder, found.version, options.format)
    const told = reloadBy
      ? async (version: { readonly name: string; readonly path: string }) =>
          // Of that version, which may be the one before.
          reload(reloadBy, {
            ...version,
            manifestSha256: await folder.hash(version.name, 'manifest.json', false),
          })
      : null
    const went = await goLive(folder, found.version, told)
    const { version, line } = found
    return { version, line, run: found.run, path: folder.pathOf(version), fetched, went }
  }

  return {
    /** @throws AppError `conflict` (`pull_running`) while another process pulls there */
    lock: () => lockFolder(folder.root),
    once,
  }
}

function offerOf(found: Served, { client, clock, connections, ...asked }: PullOptions): Offer {
  let fresh: Promise<Served | null> = Promise.resolve(found)
  /** Relative addresses are this service's own, and its token goes along with them alone. */
  const remoteOf = async (name: string) => {
    const file = (await fresh)?.files.find((one) => one.name === name)
    if (!file) throw gone(found.version, name)
    return file.url.startsWith('/')
      ? { url: client.base + file.url, headers: { authorization: `Bearer ${client.token}` } }
      : { url: file.url, headers: file.headers }
  }
  const remote = (name: string) => async (isRefused: boolean) => {
    if (isRefused) {
      const { run } = asked
      fresh = client.servedAdapter({
        run,
        version: found.version,
        after: undefined,
        waitSeconds: 0,
      })
    }
    return await remoteOf(name)
  }
  const many = connections === undefined ? {} : { connections }
  return {
    version: found.version,
    manifestSha256: found.manifestSha256,
    async manifest() {
      const file = found.files.find(({ name }) => name === 'manifest.json')
      if (!file) throw gone(found.version, 'manifest.json')
      const bytes = Buffer.alloc(file.bytes)
      const into = {
        held: [],
        write: async (chunk: Uint8Array, at: number) => void bytes.set(chunk, at),
        hold: async () => undefined,
      }
      const { name } = file
      await download({ name, bytes: file.bytes, remote: remote(name), into }, { clock })
      return bytes.toString('utf8')
    },
    bring: ({ name, bytes }, into, signal, came) =>
      download({ name, bytes, remote: remote(name), into, came }, { clock, signal, ...many }),
  }
}

const gone = (version: string, name: string): AppError =>
  new AppError('not-found', `version ${version} has ${name} no longer`, {
    code: 'file_gone',
    next: 'Pull again for the newest version; what was serving stays',
  })
