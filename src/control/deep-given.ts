import {
  bearerKey,
  type DeepCheck,
  deepBase,
  longestDeepSeconds,
  shortestDeepSeconds,
  usualDeepSeconds,
} from '../health/deep-check.ts'
import { AppError } from '../lib/errors.ts'

/** How a node is to be asked for a token, as a person says; what is left out stays, or is the usual. */
export interface WantedDeep {
  /** The base of its OpenAI-compatible interface; /v1 at the node's own origin. */
  readonly url?: string | undefined
  /** The one that it names at /health. */
  readonly model?: string | undefined
  readonly key?: string | undefined
  /** None goes with it: the one that is stored is forgotten. */
  readonly isKeyless?: boolean | undefined
  readonly everySeconds?: number | undefined
}

/** The same, checked, as it is kept. */
export interface DeepGiven {
  readonly baseUrl: string | null
  readonly model: string | null
  readonly everySeconds: number
  /** Where the key may go, and no other place. */
  readonly origin: string
  /** `kept`: the one that is stored for this origin. */
  readonly key:
    | { readonly kind: 'kept' | 'none' }
    | { readonly kind: 'given'; readonly key: string }
}

/**
 * @param deep as it was; null before
 * @param url of the node, before and after
 * @throws AppError `invalid` that names what cannot be; `deep_key_again` where a stored key would go to another origin
 */
export function deepGiven(
  wanted: WantedDeep,
  deep: DeepCheck | null,
  url: { readonly before: string | null; readonly after: string },
  { admit }: { readonly admit: (url: string) => URL },
): DeepGiven {
  const baseUrl =
    wanted.url === undefined ? (deep?.baseUrl ?? null) : checkedBase(admit(wanted.url))
  const { origin } = admit(deepBase(url.after, baseUrl))
  return {
    baseUrl,
    model: wanted.model ?? deep?.model ?? null,
    everySeconds: checkedEvery(wanted.everySeconds ?? deep?.everySeconds ?? usualDeepSeconds),
    origin,
    key: keyFor(wanted, deep, url.before, origin),
  }
}

function keyFor(
  { key, isKeyless }: WantedDeep,
  deep: DeepCheck | null,
  urlBefore: string | null,
  origin: string,
): DeepGiven['key'] {
  if (key !== undefined && isKeyless) {
    throw new AppError('invalid', 'a deep probe with a key is not one without', {
      code: 'deep_key_invalid',
      next: 'Give the key, or isKeyless',
    })
  }
  if (key !== undefined) {
    if (bearerKey.test(key)) return { kind: 'given', key }
    throw new AppError('invalid', 'the key of a deep probe is none that a header can hold', {
      code: 'deep_key_invalid',
      next: 'Plain ASCII without spaces, 500 characters at the most',
    })
  }
  if (isKeyless || !deep?.hasKey) return { kind: 'none' }
  const before = urlBefore === null ? null : new URL(deepBase(urlBefore, deep.baseUrl)).origin
  if (before === origin) return { kind: 'kept' }
  throw new AppError('invalid', `the key of its deep probe was given for ${before}`, {
    code: 'deep_key_again',
    next: 'Give the key for the new address with --deep-key-file, or --no-deep-key where it wants none',
  })
}

function checkedBase(url: URL): string {
  if (url.search === '' && url.hash === '') return url.href.replace(/\/+$/, '')
  throw new AppError('invalid', 'the base of an interface has no query and no fragment', {
    code: 'deep_url_invalid',
    next: 'For example: https://name.ngrok-free.app/v1',
  })
}

function checkedEvery(seconds: number): number {
  if (
    Number.isInteger(seconds) &&
    seconds >= shortestDeepSeconds &&
    seconds <= longestDeepSeconds
  ) {
    return seconds
  }
  throw new AppError('invalid', `${seconds} is no interval of deep probes`, {
    code: 'deep_interval_invalid',
    next: `Whole seconds from ${shortestDeepSeconds} to ${longestDeepSeconds}; ${usualDeepSeconds} is the usual one`,
  })
}
