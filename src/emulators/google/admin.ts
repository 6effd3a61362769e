import { z } from 'zod'
import { type AdminCalls, check, commonCalls, done, type EmulatorAdmin } from '../admin-calls.ts'
import type { Fault } from '../faults.ts'
import type { GrantOrder } from './sign-in.ts'

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

/**
 * What can be done to the emulator from outside. Its calls are named, for faults, `files.list`, `files.get`, `files.download`,
 * `files.create`, `files.update`, `files.delete`, `files.emptyTrash`, `files.generateIds`, `upload.start`, `upload.simple`,
 * `upload.chunk`, `upload.status`, `about.get`, `changes.list`, `changes.getStartPageToken`, `token`, `device.code`, `revoke`.
 */
export interface GoogleAdmin extends EmulatorAdmin {
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
  /** `POST /_emulator/share {fileId, with}`: that mail address may read it, or `anyone` who has the link; a folder with all in it. */
  share(order: { readonly fileId: string; readonly with: string }): void
  state(): GoogleView
}

const name = z.string().min(1)
const Grant = z.object({ clientId: name, user: name.exactOptional(), scope: name.exactOptional() })
const Approve = z.object({ userCode: name.exactOptional(), user: name.exactOptional() })
const Deny = z.object({ userCode: name.exactOptional() })
const Revoke = z.object({ clientId: name.exactOptional() })
const Expire = z.object({ what: z.enum(['uploads', 'access-tokens']) })
const Flip = z.object({ fileId: name, at: z.number().int().min(0).exactOptional() })
const Share = z.object({ fileId: name, with: name })
const Quota = z.object({
  limitBytes: z.number().int().min(0).nullable().exactOptional(),
  otherUsageBytes: z.number().int().min(0).exactOptional(),
})

export const googleCalls = (admin: GoogleAdmin): AdminCalls => ({
  ...commonCalls(admin),
  'POST grant': (body) => admin.grant(check(Grant, body)),
  'POST approve': (body) => ({ logins: admin.approve(check(Approve, body)) }),
  'POST deny': (body) => ({ logins: admin.deny(check(Deny, body)) }),
  'POST revoke': (body) => ({ tokens: admin.revoke(check(Revoke, body)) }),
  'POST expire': (body) => done(admin.expire(check(Expire, body).what)),
  'POST flip': async (body) => done(await admin.flip(check(Flip, body))),
  'POST share': (body) => done(admin.share(check(Share, body))),
  'POST quota': (body) => done(admin.quota(check(Quota, body))),
})
