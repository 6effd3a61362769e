import { z } from 'zod'
import { Manifest } from '../../artifacts/checkpoint.ts'
import { keptReadme } from '../../artifacts/published.ts'
import type { Served } from '../../artifacts/served.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { sha256Hex } from '../../lib/random.ts'
import { hostOf, type Remote } from './get.ts'
import { garbled, parsed, sourceText } from './source-text.ts'

/** A repository of the Hub at a branch, a tag or a commit. */
export interface HubSource {
  /** `owner/name` */
  readonly repository: string
  readonly revision: string
}

/** @throws AppError `invalid` for what is no repository */
export function hubSourceOf(text: string): HubSource {
  const [, repository, revision] =
    /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?:@([\w.-]{1,100}))?$/.exec(text) ?? []
  if (repository !== undefined) return { repository, revision: revision ?? 'main' }
  throw new AppError(
    'invalid',
    `${JSON.stringify(text.slice(0, 100))} is no repository of the Hub`,
    {
      code: 'repository_invalid',
      next: 'For example: --from hub:ana/house, or hub:ana/house@v3',
    },
  )
}

export interface HubSourceOptions {
  /** Without a slash at its end. */
  readonly hub: string
  readonly token: string | null
  readonly source: HubSource
  readonly clock: Clock
}

const Info = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40}$/) })
/** Of calls there are 1,000 in five minutes for all that a person does (huggingface.co/docs/hub/rate-limits, read 2026-09). */
const lookMs = 15_000

/**
 * What a repository of the Hub has at a revision, pinned to its commit: an adapter with its manifest.json, as it was published. The Hub is
 * believed for the manifest, and the manifest for every other file.
 */
export function hubServed({ hub, token, source, clock }: HubSourceOptions) {
  const headers: Remote['headers'] = token === null ? {} : { authorization: `Bearer ${token}` }
  const { repository, revision } = source

  const text = (url: string, what: string): Promise<string> =>
    sourceText({ url, headers }, what, {
      clock,
      refusal: (status) => refusal(status, what, hub, repository, token !== null),
    })

  async function isThere(url: string): Promise<boolean> {
    try {
      await text(url, `a file of ${repository}`)
      return true
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not-found') return false
      throw error
    }
  }

  async function commit(): Promise<string> {
    const what = `${repository} at ${revision}`
    const said = await text(`${hub}/api/models/${repository}/revision/${revision}`, what)
    const info = Info.safeParse(parsed(said))
    if (!info.success) throw garbled(hub, what)
    return info.data.sha
  }

  const versionOf = (sha: string): string =>
    revision === 'main' || sha.startsWith(revision)
      ? sha.slice(0, 12)
      : `${revision}-${sha.slice(0, 12)}`

  async function at(sha: string): Promise<Served> {
    const urlOf = (name: string) => `${hub}/${repository}/resolve/${sha}/${encodeURI(name)}`
    const manifestText = await text(urlOf('manifest.json'), `manifest.json of ${repository}`)
    const manifest = Manifest.safeParse(parsed(manifestText))
    if (!manifest.success) {
      throw new AppError(
        'invalid',
        `${repository} holds no adapter of ours: its manifest.json is none`,
        {
          code: 'manifest_refused',
          next: 'Name a repository to which an adapter was published',
        },
      )
    }
    const manifestSha256 = sha256Hex(manifestText)
    const bytes = Buffer.byteLength(manifestText)
    const files = [{ name: 'manifest.json', bytes, sha256: manifestSha256 }, ...manifest.data.files]
    const readme = files.find(({ name }) => name === 'README.md')
    const isKept = readme !== undefined && (await isThere(urlOf(keptReadme)))
    const placeOf = (name: string) => urlOf(isKept && name === 'README.md' ? keptReadme : name)
    return {
      version: versionOf(sha),
      line: repository,
      run: manifest.data.run,
      manifestSha256,
      files: files.map((file) => ({ ...file, url: placeOf(file.name), headers })),
    }
  }

  return {
    base: hub,
    token: '',
    /** Null when it is still `after` at the end of the wait. Throws AppError. */
    async servedAdapter(asked: {
      readonly after: string | undefined
      readonly waitSeconds: number
      readonly signal?: AbortSignal
    }): Promise<Served | null> {
      const until = clock.monotonicMs() + asked.waitSeconds * 1000
      for (;;) {
        const sha = await commit()
        if (versionOf(sha) !== asked.after) return await at(sha)
        const leftMs = until - clock.monotonicMs()
        if (leftMs <= 0 || asked.signal?.aborted) return null
        await clock.sleep(Math.min(lookMs, leftMs), asked.signal)
      }
    },
  }
}

function refusal(
  status: number,
  what: string,
  hub: string,
  repository: string,
  hasToken: boolean,
): AppError {
  const host = hostOf(hub)
  if (status === 401 || status === 403) {
    return new AppError('unauthorized', `${host} does not show ${what} (${status})`, {
      code: 'access_refused',
      next: hasToken
        ? `Check that the token may read ${repository}`
        : 'A private repository wants a token: set HF_TOKEN',
    })
  }
  if (status === 404) {
    return new AppError('not-found', `${host} knows no ${what}`, {
      code: 'file_gone',
      next: hasToken
        ? 'Check its name and revision, and that an adapter was published there'
        : 'Check its name and revision; a private repository wants a token: set HF_TOKEN',
    })
  }
  return new AppError('unavailable', `${host} answered ${status}, looking for ${what}`, {
    code: status === 429 ? 'rate_limited' : 'server_error',
    next: 'Pull again later: what has come is kept',
  })
}
