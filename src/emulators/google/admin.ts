import { z } from 'zod'
import { Fault, type FaultInput } from '../faults.ts'
import type { RecordedRequest } from '../requests.ts'
import type { GrantOrder } from './sign-in.ts'
import { GoogleError, invalid } from './wire.ts'

/** A file or folder as a test or a demonstration sees it, whoever made it. */
export interface FileView {
  readonly id: string
  readonly name: string
  readonly owner: string
  readonly clientId: string
  readonly parents: readonly string[]
  readonly isTrashed: boolean
  readonly bytes: number | null
  readonly sha256: string | null
}

export interface UploadView {
  readonly name: string
  readonly clientId: string
  readonly receivedBytes: number
  readonly totalBytes: number | null
  readonly state: 'open' | 'done' | 'expired'
}

export interface DeviceView {
  readonly userCode: string
  readonly clientId: string
  readonly scope: string
  readonly decision: 'pending' | 'granted' | 'denied' | 'used'
}

export interface GoogleView {
  readonly now: string
  readonly faults: readonly Fault[]
  readonly files: readonly FileView[]
  readonly uploads: readonly UploadView[]
  readonly devices: readonly DeviceView[]
  readonly quota: { readonly limitBytes: number | null; readonly otherUsageBytes: number }
}

/** What can be done to the emulator from outside; each is also `/_emulator/<name>`. */
export interface GoogleAdmin {
  /**
   * `POST /_emulator/faults` with one fault or a list. Calls are named `files.list`, `files.get`, `files.download`,
   * `files.create`, `files.update`, `files.delete`, `files.emptyTrash`, `files.generateIds`, `upload.start`, `upload.simple`,
   * `upload.chunk`, `upload.status`, `about.get`, `changes.list`, `changes.getStartPageToken`, `token`, `device.code`, `revoke`.
   */
  addFaults(...faults: FaultInput[]): void
  /** `DELETE /_emulator/faults` */
  clearFaults(): void
  /** `POST /_emulator/clock {advanceSeconds}`: virtual time runs on from there; tokens, logins and uploads age with it. */
  advanceClock(seconds: number): void
  /** `POST /_emulator/grant {clientId, user?, scope?}`: tokens as a person's consent gives them. */
  grant(order: GrantOrder): { readonly refreshToken: string; readonly accessToken: string }
  /** `POST /_emulator/approve {userCode?, user?}`: a person approves the device logins that wait. Says how many. */
  approve(order?: { readonly userCode?: string; readonly user?: string }): number
  /** `POST /_emulator/deny {userCode?}` */
  deny(order?: { readonly userCode?: string }): number
  /** `POST /_emulator/revoke {clientId?}`: refresh tokens answer `invalid_grant` from now on. Says how many. */
  revoke(order?: { readonly clientId?: string }): number
  /** `POST /_emulator/expire {what}`: unfinished uploads answer 404, or access tokens 401. */
  expire(what: 'uploads' | 'access-tokens'): void
  /** `POST /_emulator/flip {fileId, at?}`: one stored byte becomes another; the checksums stay. */
  flip(order: { readonly fileId: string; readonly at?: number }): Promise<void>
  /** `POST /_emulator/quota {limitBytes?, otherUsageBytes?}`: the room of each account; null for no limit. */
  quota(order: { readonly limitBytes?: number | null; readonly otherUsageBytes?: number }): void
  /** `POST /_emulator/reset`: forgets everything, sign-ins and files included. */
  reset(): void
  /** `GET /_emulator/requests` answers `{"items": […]}`. */
  requests(): readonly RecordedRequest[]
  /** `GET /_emulator/state` */
  state(): GoogleView
  /** `POST /_emulator/claim`: somebody still needs this emulator. */
  claim(): void
}

const Faults = z.union([Fault.transform((fault) => [fault]), z.array(Fault)])
const name = z.string().min(1)
const ClockOrder = z.object({ advanceSeconds: z.number().min(0) })
const Grant = z.object({ clientId: name, user: name.exactOptional(), scope: name.exactOptional() })
const Approve = z.object({ userCode: name.exactOptional(), user: name.exactOptional() })
const Deny = z.object({ userCode: name.exactOptional() })
const Revoke = z.object({ clientId: name.exactOptional() })
const Expire = z.object({ what: z.enum(['uploads', 'access-tokens']) })
const Flip = z.object({ fileId: name, at: z.number().int().min(0).exactOptional() })
const Quota = z.object({
  limitBytes: z.number().int().min(0).nullable().exactOptional(),
  otherUsageBytes: z.number().int().min(0).exactOptional(),
})

/** Answers an admin request. Throws 404 for one it does not know, 400 for a body that does not fit. */
export async function adminAnswer(
  admin: GoogleAdmin,
  method: string,
  order: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  switch (`${method} ${order}`) {
    case 'POST faults':
      admin.addFaults(...check(Faults, body))
      return {}
    case 'GET faults':
      return { items: admin.state().faults }
    case 'DELETE faults':
      admin.clearFaults()
      return {}
    case 'POST clock':
      admin.advanceClock(check(ClockOrder, body).advanceSeconds)
      return { now: admin.state().now }
    case 'POST grant':
      return admin.grant(check(Grant, body))
    case 'POST approve':
      return { logins: admin.approve(check(Approve, body)) }
    case 'POST deny':
      return { logins: admin.deny(check(Deny, body)) }
    case 'POST revoke':
      return { tokens: admin.revoke(check(Revoke, body)) }
    case 'POST expire':
      admin.expire(check(Expire, body).what)
      return {}
    case 'POST flip':
      await admin.flip(check(Flip, body))
      return {}
    case 'POST quota':
      admin.quota(check(Quota, body))
      return {}
    case 'POST reset':
      admin.reset()
      return {}
    case 'GET requests':
      return { items: admin.requests() }
    case 'GET state':
      return { ...admin.state() }
    case 'POST claim':
      admin.claim()
      return {}
    default:
      throw new GoogleError(404, 'notFound', `There is no ${method} /_emulator/${order}`)
  }
}

function check<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw invalid(z.prettifyError(parsed.error))
}
