import { randomInt } from 'node:crypto'
import { addSeconds, iso, secondsBetween } from '../../lib/clock.ts'
import { newSecret, sha256Hex } from '../../lib/random.ts'
import type { GoogleSettings } from './options.ts'
import type { Device, StateFile } from './state.ts'
import {
  ANYONE,
  type Caller,
  DRIVE_FILE,
  invalid,
  OAuthError,
  READ_DRIVE,
  unauthenticated,
} from './wire.ts'

export interface SignInOptions {
  readonly file: StateFile
  readonly settings: GoogleSettings
  readonly now: () => Date
  readonly url: () => string
}

export interface GrantOrder {
  readonly clientId: string
  readonly user?: string
  readonly scope?: string
}

/** What a device login may ask for: https://developers.google.com/identity/protocols/oauth2/limited-input-device (read 2026-11). */
const DEVICE_SCOPES = [
  'openid',
  'email',
  'profile',
  DRIVE_FILE,
  'https://www.googleapis.com/auth/drive.appdata',
]
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const ASSERTION_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

type Form = Readonly<Record<string, string>>

/** Google's token endpoints: device logins, refresh tokens, access tokens. Of secrets it keeps hashes only. */
export function createSignIn({ file, settings, now, url }: SignInOptions) {
  const issueAccess = (to: Omit<Caller, 'scopes'> & { readonly scope: string }) => {
    const token = newSecret('ya29.emulated')
    const current = now()
    const { clientId, user, scope, isServiceAccount } = to
    file.state.accessTokens = [
      ...file.state.accessTokens.filter((known) => new Date(known.expiresAt) > current),
      {
        hash: sha256Hex(token),
        clientId,
        user,
        scope,
        isServiceAccount,
        expiresAt: iso(addSeconds(current, settings.accessTokenSeconds)),
      },
    ]
    return {
      access_token: token,
      expires_in: settings.accessTokenSeconds,
      scope,
      token_type: 'Bearer',
    }
  }

  const issueRefresh = ({ clientId, user, scope }: Required<GrantOrder>): string => {
    const token = newSecret('1//emulated')
    file.state.refreshTokens.push({
      hash: sha256Hex(token),
      clientId,
      user,
      scope,
      isRevoked: false,
    })
    return token
  }

  const checkClient = (form: Form, authorization: string | undefined): string => {
    const [basicId, basicSecret] = basicOf(authorization)
    const clientId = form.client_id ?? basicId
    const secret = form.client_secret ?? basicSecret
    if (!clientId)
      throw new OAuthError(400, 'invalid_request', 'Could not determine client ID from request.')
    if (!secret) throw new OAuthError(400, 'invalid_request', 'client_secret is missing.')
    const listed = settings.clients
    const expected = listed
      ? Object.hasOwn(listed, clientId)
        ? sha256Hex(listed[clientId] ?? '')
        : undefined
      : (file.state.clientSecretHashes[clientId] ?? sha256Hex(secret))
    if (expected === undefined)
      throw new OAuthError(401, 'invalid_client', 'The OAuth client was not found.')
    if (expected !== sha256Hex(secret))
      throw new OAuthError(401, 'invalid_client', 'The provided client secret is invalid.')
    file.state.clientSecretHashes[clientId] = expected
    return clientId
  }

  const refresh = (form: Form, clientId: string): Record<string, unknown> => {
    const hash = sha256Hex(form.refresh_token ?? '')
    const known = file.state.refreshTokens.find((token) => token.hash === hash)
    if (!known || known.isRevoked || known.clientId !== clientId)
      throw new OAuthError(
        400,
        'invalid_grant',
        known?.isRevoked === false ? 'Bad Request' : 'Token has been expired or revoked.',
      )
    const answer = issueAccess({ ...known, isServiceAccount: false })
    file.save()
    return answer
  }

  const decisionOf = (device: Device): Device['decision'] => {
    const after = settings.approveAfterSeconds
    const isLate = after !== undefined && secondsBetween(new Date(device.createdAt), now()) >= after
    return device.decision === 'pending' && isLate ? 'granted' : device.decision
  }

  const redeemDevice = (form: Form, clientId: string): Record<string, unknown> => {
    const hash = sha256Hex(form.device_code ?? '')
    const device = file.state.devices.find((known) => known.deviceCodeHash === hash)
    if (!device || device.clientId !== clientId || device.decision === 'used')
      throw new OAuthError(400, 'invalid_grant', 'Malformed auth code.')
    const current = now()
    if (new Date(device.expiresAt) <= current)
      throw new OAuthError(400, 'expired_token', 'The device code has expired.')
    const pausedSeconds =
      device.polledAt === null
        ? Number.POSITIVE_INFINITY
        : secondsBetween(new Date(device.polledAt), current)
    device.polledAt = iso(current)
    if (pausedSeconds < device.intervalSeconds) {
      device.intervalSeconds += 5 // RFC 8628, 3.5
      file.save()
      throw new OAuthError(403, 'slow_down', 'Forbidden')
    }
    file.save()
    const decision = decisionOf(device)
    if (decision === 'pending')
      throw new OAuthError(428, 'authorization_pending', 'Precondition Required')
    if (decision === 'denied') throw new OAuthError(403, 'access_denied', 'Forbidden')
    device.decision = 'used'
    const { user, scope } = device
    const answer = {
      ...issueAccess({ clientId, user, scope, isServiceAccount: false }),
      refresh_token: issueRefresh({ clientId, user, scope }),
    }
    file.save()
    return answer
  }

  /** A service account's own signature is believed unread: only what it may not do is of interest here. */
  const assert = (form: Form): Record<string, unknown> => {
    const claims = claimsOf(form.assertion ?? '')
    if (!claims.iss?.endsWith('.iam.gserviceaccount.com'))
      throw new OAuthError(400, 'invalid_grant', 'Invalid JWT Signature.')
    const answer = issueAccess({
      clientId: claims.iss,
      user: claims.iss,
      scope: claims.scope ?? '',
      isServiceAccount: true,
    })
    file.save()
    return answer
  }

  const waiting = (userCode: string | undefined): Device[] => {
    const found = file.state.devices.filter(
      (device) =>
        device.decision === 'pending' &&
        new Date(device.expiresAt) > now() &&
        (userCode === undefined || device.userCode === userCode.toUpperCase()),
    )
    if (found.length === 0 && userCode !== undefined) throw invalid('No login waits for this code')
    return found
  }

  return {
    /** `POST /token` */
    token(form: Form, authorization: string | undefined): Record<string, unknown> {
      if (form.grant_type === ASSERTION_GRANT) return assert(form)
      const clientId = checkClient(form, authorization)
      if (form.grant_type === 'refresh_token') return refresh(form, clientId)
      if (form.grant_type === DEVICE_GRANT) return redeemDevice(form, clientId)
      throw new OAuthError(
        400,
        'unsupported_grant_type',
        `Invalid grant_type: ${form.grant_type ?? ''}`,
      )
    },

    /** `POST /device/code` */
    deviceCode(form: Form): Record<string, unknown> {
      const { client_id: clientId = '', scope = '' } = form
      const isKnown = settings.clients ? Object.hasOwn(settings.clients, clientId) : clientId !== ''
      if (!isKnown) throw new OAuthError(401, 'invalid_client', 'The OAuth client was not found.')
      const wrong = scope.split(' ').find((one) => !DEVICE_SCOPES.includes(one))
      if (wrong !== undefined)
        throw new OAuthError(400, 'invalid_scope', `Invalid device flow scope: ${wrong}`)
      const deviceCode = newSecret('AH-emulated')
      const device: Device = {
        deviceCodeHash: sha256Hex(deviceCode),
        userCode: newUserCode(),
        clientId,
        scope,
        createdAt: iso(now()),
        expiresAt: iso(addSeconds(now(), 1800)),
        intervalSeconds: 5,
        polledAt: null,
        decision: 'pending',
        user: settings.user,
      }
      file.state.devices = [...file.state.devices.slice(-99), device]
      file.save()
      return {
        device_code: deviceCode,
        user_code: device.userCode,
        expires_in: 1800,
        interval: device.intervalSeconds,
        verification_url: `${url()}/device`,
      }
    },

    /** `POST /revoke` */
    revokeToken(form: Form): Record<string, unknown> {
      const hash = sha256Hex(form.token ?? '')
      const known = file.state.refreshTokens.find(
        (token) => token.hash === hash && !token.isRevoked,
      )
      if (!known) throw new OAuthError(400, 'invalid_token', 'Token expired or revoked')
      known.isRevoked = true
      file.save()
      return {}
    },

    /** Who an `Authorization` header speaks for; a key of an application's alone speaks for nobody. Throws 401. */
    callerOf(authorization: string | undefined, key: string | string[] | undefined): Caller {
      if (authorization === undefined && typeof key === 'string' && /^AIza[\w-]{20,}$/.test(key)) {
        return { clientId: 'a key', user: ANYONE, scopes: [READ_DRIVE], isServiceAccount: false }
      }
      const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
      if (token === undefined) throw unauthenticated()
      const hash = sha256Hex(token)
      const known = file.state.accessTokens.find((access) => access.hash === hash)
      if (!known || new Date(known.expiresAt) <= now()) throw unauthenticated()
      return { ...known, scopes: known.scope.split(' ') }
    },

    /** A refresh token as a person's consent would give it. */
    grant({ clientId, user = settings.user, scope = DRIVE_FILE }: GrantOrder) {
      const refreshToken = issueRefresh({ clientId, user, scope })
      const access = issueAccess({ clientId, user, scope, isServiceAccount: false })
      file.save()
      return { refreshToken, accessToken: access.access_token }
    },

    decide(decision: 'granted' | 'denied', userCode?: string, user?: string): number {
      const devices = waiting(userCode)
      for (const device of devices) {
        device.decision = decision
        device.user = user ?? device.user
      }
      file.save()
      return devices.length
    },

    /** Refresh tokens of one client, or of all, are worth nothing from now on. */
    revokeGrants(clientId?: string): number {
      const found = file.state.refreshTokens.filter(
        (token) => !token.isRevoked && (clientId === undefined || token.clientId === clientId),
      )
      for (const token of found) token.isRevoked = true
      file.save()
      return found.length
    },

    expireAccess(): void {
      file.state.accessTokens = []
      file.save()
    },

    devices: () =>
      file.state.devices.map((device) => ({ ...device, decision: decisionOf(device) })),
  }
}

export type SignIn = ReturnType<typeof createSignIn>

function basicOf(authorization: string | undefined): (string | undefined)[] {
  const [, encoded] = /^Basic +(\S+)$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return []
  const [id, secret] = Buffer.from(encoded, 'base64').toString().split(':')
  return [id, secret].map((part) => (part === undefined ? undefined : decodeURIComponent(part)))
}

function claimsOf(assertion: string): { iss?: string; scope?: string } {
  try {
    const text = Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()
    const claims: unknown = JSON.parse(text)
    if (typeof claims !== 'object' || claims === null) return {}
    return {
      ...('iss' in claims ? { iss: String(claims.iss) } : {}),
      ...('scope' in claims ? { scope: String(claims.scope) } : {}),
    }
  } catch {
    return {} // no JWT: refused by the caller
  }
}

const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const newUserCode = (): string => {
  const letters = () => Array.from({ length: 4 }, () => LETTERS[randomInt(LETTERS.length)]).join('')
  return `${letters()}-${letters()}`
}
