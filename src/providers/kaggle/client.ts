import type { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { type KaggleRefusal, readRefusal } from '../../rotation/kaggle-refusal.ts'
import {
  IntrospectAnswer,
  OutputAnswer,
  QuotaAnswer,
  readEnvelope,
  SaveKernelAnswer,
  StatusAnswer,
} from './answers.ts'
import { authorizationOf, type KaggleCredentials, withoutSecrets } from './credentials.ts'
import {
  garbledAnswer,
  networkFailure,
  retryAfterSeconds,
  statusFailure,
  type Trouble,
} from './failures.ts'
import { type KaggleKernel, pushFields } from './kernel.ts'
import { addFinishedLog, addLiveLog, createTail } from './log-tail.ts'
import { type KaggleSessionState, readStatus } from './status.ts'

export interface KaggleClientOptions {
  /** `https://api.kaggle.com`, or any other address that speaks its API under `/api`. */
  readonly baseUrl: string
  readonly credentials: KaggleCredentials
  readonly timeoutMs: number
  readonly clock: Clock
}

/** What became of a push. A refusal is part of the story: nothing runs, and its reason says what to wait for. */
export type KagglePush =
  | {
      readonly kind: 'started'
      readonly versionNumber: number | null
      readonly url: string | null
      readonly kernelId: number | null
      /** Data sets, kernels and models that Kaggle left out because it does not know them. */
      readonly ignoredSources: readonly string[]
    }
  | { readonly kind: 'refused'; readonly refusal: KaggleRefusal }

export interface KaggleSessionStatus {
  readonly state: KaggleSessionState
  readonly failureMessage: string | null
  /** Kaggle's own word, for the log. */
  readonly raw: string | null
}

/** Kaggle's book of an account's GPU time in this week, in seconds; null where it does not say. */
export interface KaggleQuota {
  readonly usedSeconds: number | null
  readonly reservedSeconds: number | null
  readonly allowedSeconds: number | null
  readonly refreshesAt: Date | null
}

export interface KaggleOutputFile {
  readonly name: string
  /** Readable by whoever has it, for a while, without signing in. */
  readonly url: string
}

const PAGE_FILES = 100
const PAGES = 100

/**
 * Kaggle over HTTP, for one account. Nothing is repeated here: the caller decides, and after `answer_lost` reads the status
 * first. Everything throws AppError: `unauthorized`, `not-allowed`, `unavailable` (with `retryAfterSeconds` where told), …
 */
export function kaggleClient({ baseUrl, credentials, timeoutMs, clock }: KaggleClientOptions) {
  const base = baseUrl.replace(/\/+$/, '')
  const prefix = base === 'https://api.kaggle.com' ? `${base}/v1` : `${base}/api/v1`
  const authorization = authorizationOf(credentials)
  const who = credentials.username === undefined ? 'this account' : `"${credentials.username}"`
  const trouble = (doing: string, isPush = false): Trouble => ({ who, doing, isPush })
  const clean = (text: string): string => withoutSecrets(text, credentials)

  const send = async (url: string, init: RequestInit, about: Trouble): Promise<Response> => {
    try {
      return await fetch(url, {
        redirect: 'error',
        ...init,
        headers: { accept: '*/*', authorization, ...init.headers },
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch (error) {
      throw networkFailure(error, about)
    }
  }

  const textOf = async (response: Response, about: Trouble): Promise<string> => {
    try {
      return await response.text()
    } catch (error) {
      throw networkFailure(error, about) // cut in the middle, or too slow
    }
  }

  const failureOf = (response: Response, text: string, about: Trouble): AppError | null => {
    const envelope = readEnvelope(parseJson(text))
    const status = response.ok ? (envelope?.code ?? 200) : response.status
    if (status < 400) return null
    const after = retryAfterSeconds(response.headers.get('retry-after'), clock)
    return statusFailure(status, clean(envelope?.message ?? `status ${status}`), after, about)
  }

  const call = async <Schema extends z.ZodType>(
    method: string,
    fields: Record<string, unknown>,
    schema: Schema,
    about: Trouble,
  ): Promise<z.output<Schema>> => {
    const response = await send(
      `${prefix}/${method}`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(fields),
      },
      about,
    )
    const text = await textOf(response, about)
    const failure = failureOf(response, text, about)
    if (failure) throw failure
    const parsed = schema.safeParse(parseJson(text))
    if (!parsed.success) throw garbledAnswer(clean(text), about, parsed.error)
    return parsed.data
  }

  /**
   * Saves a notebook and starts a session of it: each push starts one more, so read the status first.
   * Throws `answer_lost` when it cannot be told whether the session started.
   */
  const push = async (kernel: KaggleKernel): Promise<KagglePush> => {
    const about = trouble('a notebook was pushed', true)
    const method = 'kernels.KernelsApiService/SaveKernel'
    const answer = await call(method, pushFields(kernel), SaveKernelAnswer, about)
    if (answer.error) return { kind: 'refused', refusal: readRefusal(clean(answer.error)) }
    if (!answer.ref && !answer.url && answer.versionNumber == null) throw garbledAnswer('', about)
    return {
      kind: 'started',
      versionNumber: answer.versionNumber ?? null,
      url: answer.url ?? null,
      kernelId: answer.kernelId ?? null,
      ignoredSources: [
        ...(answer.invalidDatasetSources ?? []),
        ...(answer.invalidCompetitionSources ?? []),
        ...(answer.invalidKernelSources ?? []),
        ...(answer.invalidModelSources ?? []),
      ],
    }
  }

  /** The newest session of a kernel. Kaggle answers alike for a kernel that is not there and one that is hidden: `absent`. */
  const sessionStatus = async (userName: string, slug: string): Promise<KaggleSessionStatus> => {
    const method = 'kernels.KernelsApiService/GetKernelSessionStatus'
    const about = trouble('the status of a notebook was read')
    try {
      const answer = await call(method, { userName, kernelSlug: slug }, StatusAnswer, about)
      return {
        state: readStatus(answer.status),
        failureMessage: answer.failureMessage ? clean(answer.failureMessage) : null,
        raw: answer.status ?? null,
      }
    } catch (error) {
      if (!isAbsence(error)) throw error
      return { state: 'absent', failureMessage: null, raw: null }
    }
  }

  /** The account's own book at Kaggle. A refusal of a push outranks these numbers: they lag. */
  const quota = async (): Promise<KaggleQuota> => {
    const method = 'kernels.KernelsApiService/GetAcceleratorQuotaStatistics'
    const answer = await call(method, {}, QuotaAnswer, trouble('the GPU quota was read'))
    const refreshesAt = new Date(answer.quotaRefreshTime ?? Number.NaN)
    return {
      usedSeconds: answer.gpuQuota?.timeUsed ?? null,
      reservedSeconds: answer.gpuQuota?.timeReserved ?? null,
      allowedSeconds: answer.gpuQuota?.totalTimeAllowed ?? null,
      refreshesAt: Number.isNaN(refreshesAt.getTime()) ? null : refreshesAt,
    }
  }

  /** The last characters that a kernel's newest session printed, while it runs and afterwards. */
  const logTail = async (userName: string, slug: string, maxChars: number): Promise<string> => {
    const about = trouble('a log was read')
    const path = `kernels/logs/stream/${encodeURIComponent(userName)}/${encodeURIComponent(slug)}`
    const headers = { accept: 'text/event-stream, */*' }
    const response = await send(`${prefix}/${path}`, { headers }, about)
    const tail = createTail(maxChars)
    const isLive = response.headers.get('content-type')?.includes('text/event-stream') === true
    if (response.ok && isLive && response.body) {
      try {
        await addLiveLog(tail, response.body, clock)
      } catch (error) {
        if (tail.text() === '') throw networkFailure(error, about)
      }
    } else {
      const text = await textOf(response, about)
      const failure = failureOf(response, text, about)
      if (failure) throw failure
      addFinishedLog(tail, text)
    }
    return clean(tail.text())
  }

  /** All files that a kernel's newest session left; none while it runs. */
  const outputFiles = async (userName: string, slug: string): Promise<KaggleOutputFile[]> => {
    const method = 'kernels.KernelsApiService/ListKernelSessionOutput'
    const about = trouble('the output of a notebook was listed')
    const found: KaggleOutputFile[] = []
    let pageToken = ''
    for (let page = 0; page < PAGES; page += 1) {
      const fields = { userName, kernelSlug: slug, pageSize: PAGE_FILES }
      const asked = pageToken === '' ? fields : { ...fields, pageToken }
      const answer = await call(method, asked, OutputAnswer, about)
      found.push(...(answer.files ?? []).map(({ fileName, url }) => ({ name: fileName, url })))
      pageToken = answer.nextPageToken ?? ''
      if (pageToken === '') break
    }
    return found
  }

  /** The user name behind the credentials. A key is proved by reading the quota with it. */
  const whoAmI = async (): Promise<string> => {
    if (credentials.kind === 'key') {
      await quota()
      return credentials.username
    }
    const method = 'security.OAuthService/IntrospectToken'
    const about = trouble('a token was checked')
    const answer = await call(method, { token: credentials.token }, IntrospectAnswer, about)
    if (!answer.active || !answer.username) throw statusFailure(401, '', undefined, about)
    return answer.username
  }

  return { push, sessionStatus, quota, logTail, outputFiles, whoAmI }
}

export type KaggleClient = ReturnType<typeof kaggleClient>

const isAbsence = (error: unknown): boolean =>
  error instanceof AppError &&
  (error.code === 'kaggle_not_found' ||
    (error.code === 'kaggle_denied' && error.message.includes('kernels.get')))

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // refused by the schema of the answer
  }
}
