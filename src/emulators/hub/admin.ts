import { z } from 'zod'
import { type AdminCalls, check, commonCalls, done, type EmulatorAdmin } from '../admin-calls.ts'

/**
 * What can be done to the emulator from outside. Its calls are named, for faults, `whoami`, `info`, `tree`, `paths-info`,
 * `resolve`, `resolve-cache`, `signed`, `refs`, `commits`, `create`, `validate-yaml`, `preupload`, `lfs-batch`, `lfs-put`, `lfs-complete`,
 * `lfs-verify`, `commit`, `tag` and `untag`. With `started_but_cut` the last eight are done, and their answer is lost.
 */
export interface HubAdmin extends EmulatorAdmin {
  /** `POST /_emulator/accept {user, id}`: a person accepts the licence of a repository. */
  accept(order: { readonly user: string; readonly id: string }): void
  /** `POST /_emulator/revoke {token}`: a token is worth nothing from now on. */
  revoke(order: { readonly token: string }): void
}

const text = z.string().min(1)
const Accept = z.object({ user: text, id: text })
const Revoke = z.object({ token: text })

export const hubCalls = (admin: HubAdmin): AdminCalls => ({
  ...commonCalls(admin),
  'POST accept': (body) => done(admin.accept(check(Accept, body))),
  'POST revoke': (body) => done(admin.revoke(check(Revoke, body))),
})
