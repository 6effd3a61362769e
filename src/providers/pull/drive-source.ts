import { z } from 'zod'
import { Manifest } from '../../artifacts/checkpoint.ts'
import type { Served } from '../../artifacts/served.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { sha256Hex } from '../../lib/random.ts'
import { hostOf } from './get.ts'
import { type GoogleReader, readingHeaders } from './google-reader.ts'
import { garbled, parsed, sourceText } from './source-text.ts'

/** The id of a folder, as the last part of its address in Drive. @throws AppError `invalid` for what is none */
export function driveFolderOf(text: string): string {
  if (/^[\w-]{10,100}$/.test(text)) return text
  throw new AppError('invalid', `${JSON.stringify(text.slice(0, 100))} is no folder of Drive`, {
    code: 'folder_invalid',
    next: 'Take the last part of its address: --from drive:1AbC… of drive.google.com/drive/folders/1AbC…',
  })
}

export interface DriveSourceOptions {
  /** Where Drive answers, without a slash at its end. */
  readonly drive: string
  readonly tokenUrl: string
  readonly folder: string
  readonly reader: GoogleReader
  readonly clock: Clock
}

const Listed = z.looseObject({
  id: z.string().min(1),
  name: z.string(),
  mimeType: z.string(),
  size: z.string().regex(/^\d+$/).optional(),
})
type Listed = z.infer<typeof Listed>
const Listing = z.looseObject({ files: z.array(Listed) })

const folderType = 'application/vnd.google-apps.folder'
const manifestName = 'manifest.json'
const versionName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const lookMs = 15_000
/** Folders of versions that are looked into, the newest first; older ones are not what is to be served. */
const mostLookedInto = 10

/**
 * What a folder of Drive holds: an adapter with its manifest.json, as it was published, or folders of such, of which the newest counts.
 * Drive is believed for the manifest, and the manifest for every other file.
 */
export function driveServed({ drive, tokenUrl, folder, reader, clock }: DriveSourceOptions) {
  const headersNow = readingHeaders(reader, { tokenUrl, clock })
  /** Where each version that was found stands: a pull that goes on asks for the same one. */
  const found = new Map<string, string>()

  async function text(url: string, what: string): Promise<string> {
    const refusal = (status: number) => refused(status, what, drive, reader)
    try {
      return await sourceText({ url, headers: await headersNow() }, what, { clock, refusal })
    } catch (error) {
      const isRefused = error instanceof AppError && error.code === 'access_refused'
      if (!isRefused || reader.kind === 'key') throw error
      return await sourceText({ url, headers: await headersNow(true) }, what, { clock, refusal })
    }
  }

  async function filesIn(id: string): Promise<readonly Listed[]> {
    const asked = new URLSearchParams({
      q: `'${id}' in parents and trashed = false`,
      fields: 'files(id,name,mimeType,size)',
      orderBy: 'createdTime desc',
      pageSize: '1000',
    })
    const what = `the folder ${id}`
    const listing = Listing.safeParse(parsed(await text(`${drive}/drive/v3/files?${asked}`, what)))
    if (!listing.success) throw garbled(drive, what)
    return listing.data.files
  }

  /** The folder that has the manifest, with its files. */
  async function newest(): Promise<readonly [id: string, name: string, files: readonly Listed[]]> {
    const files = await filesIn(folder)
    if (has(files)) {
      const said = await text(`${drive}/drive/v3/files/${folder}?fields=id,name,mimeType`, folder)
      const own = Listed.safeParse(parsed(said))
      if (!own.success) throw garbled(drive, folder)
      return [folder, own.data.name, files]
    }
    const folders = files.filter(({ mimeType }) => mimeType === folderType)
    for (const { id, name } of folders.slice(0, mostLookedInto)) {
      const below = await filesIn(id)
      if (has(below)) return [id, name, below]
    }
    throw new AppError('not-found', `the folder ${folder} of Drive shows no adapter`, {
      code: 'file_gone',
      next:
        reader.kind === 'key'
          ? 'Name a folder that an adapter was published to, and share it with anyone who has the link'
          : 'Name a folder that an adapter was published to, and share it with whom GOOGLE_APPLICATION_CREDENTIALS names',
    })
  }

  async function at(id: string, name: string, files: readonly Listed[]): Promise<Served> {
    const urlOf = (of: Listed) => `${drive}/drive/v3/files/${encodeURIComponent(of.id)}?alt=media`
    const idOf = (wanted: string) => {
      const file = files.find((one) => one.name === wanted)
      if (file) return file
      throw new AppError('not-found', `the folder ${name} of Drive has no ${wanted}`, {
        code: 'file_gone',
        next: 'Publish that version anew, or name another folder',
      })
    }
    const manifestFile = idOf(manifestName)
    const manifestText = await text(urlOf(manifestFile), `manifest.json of ${name}`)
    const manifest = Manifest.safeParse(parsed(manifestText))
    if (!manifest.success) {
      throw new AppError(
        'invalid',
        `the folder ${name} of Drive holds no adapter of ours: its manifest.json is none`,
        {
          code: 'manifest_refused',
          next: 'Name a folder that an adapter was published to',
        },
      )
    }
    const manifestSha256 = sha256Hex(manifestText)
    const version = versionName.test(name) ? name : manifestSha256.slice(0, 12)
    found.set(version, id)
    const bytes = Buffer.byteLength(manifestText)
    const all = [{ name: manifestName, bytes, sha256: manifestSha256 }, ...manifest.data.files]
    const headers = await headersNow()
    return {
      version,
      line: name,
      run: manifest.data.run,
      manifestSha256,
      files: all.map((file) => ({ ...file, url: urlOf(idOf(file.name)), headers })),
    }
  }

  return {
    base: drive,
    token: '',
    /** Null when it is still `after` at the end of the wait. Throws AppError. */
    async servedAdapter(asked: {
      readonly version: string | undefined
      readonly after: string | undefined
      readonly waitSeconds: number
      readonly signal?: AbortSignal
    }): Promise<Served | null> {
      const known = asked.version === undefined ? undefined : found.get(asked.version)
      if (known !== undefined && asked.version !== undefined) {
        await headersNow(true) // it is asked for again because what was given opens nothing any more
        return await at(known, asked.version, await filesIn(known))
      }
      const until = clock.monotonicMs() + asked.waitSeconds * 1000
      for (;;) {
        const served = await at(...(await newest()))
        if (served.version !== asked.after) return served
        const leftMs = until - clock.monotonicMs()
        if (leftMs <= 0 || asked.signal?.aborted) return null
        await clock.sleep(Math.min(lookMs, leftMs), asked.signal)
      }
    },
  }
}

const has = (files: readonly Listed[]): boolean => files.some(({ name }) => name === manifestName)

function refused(status: number, what: string, drive: string, reader: GoogleReader): AppError {
  const host = hostOf(drive)
  if (status === 429 || status >= 500) {
    return new AppError('unavailable', `${host} answered ${status}, looking for ${what}`, {
      code: status === 429 ? 'rate_limited' : 'server_error',
      next: 'Pull again later: what has come is kept',
    })
  }
  const shared =
    reader.kind === 'key'
      ? 'Share it with anyone who has the link, and check GOOGLE_API_KEY'
      : reader.kind === 'service-account'
        ? `Share it with ${reader.email}`
        : 'Check that whoever signed in may read it'
  if (status === 404) {
    return new AppError('not-found', `${host} shows no ${what}`, {
      code: 'file_gone',
      next: shared,
    })
  }
  return new AppError('unauthorized', `${host} does not show ${what} (${status})`, {
    code: 'access_refused',
    next: shared,
  })
}
