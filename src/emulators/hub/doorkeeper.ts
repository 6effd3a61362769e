import { sha256Hex } from '../../lib/random.ts'
import type { HubSettings, HubUser } from './options.ts'
import { noRepository, type OpenedRepository } from './repositories.ts'
import type { StateFile } from './state.ts'
import { HubError } from './wire.ts'

/** Who calls, and what they may read. */
export function createDoorkeeper(file: StateFile, settings: HubSettings) {
  const known = (token: string): HubUser | undefined => {
    if (file.state.revoked.includes(sha256Hex(token))) return undefined
    if (settings.users)
      return Object.hasOwn(settings.users, token) ? settings.users[token] : undefined
    const accepted = settings.repositories.map(({ id }) => id)
    return token.startsWith('hf_') ? { name: 'somebody', accepted, role: 'write' } : undefined
  }
  const owns = (user: HubUser, id: string): boolean =>
    settings.users === undefined || id.startsWith(`${user.name}/`)
  const mayWrite = (user: HubUser, id: string): boolean => {
    if (user.role !== 'fineGrained') return user.role === 'write' && owns(user, id)
    const namespace = `${id.split('/')[0]}/*`
    return user.writes?.some((one) => one === id || one === namespace) ?? false
  }

  /** Whose token came along; null where none did. @throws HubError 401 for one that is worth nothing */
  function callerOf(authorization: string | undefined): HubUser | null {
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
    if (token === undefined) return null
    const user = known(token)
    if (user) return user
    throw new HubError(401, 'Invalid credentials in Authorization header')
  }

  return {
    callerOf,
    /** A private repository is there for its owner, and for who may write to it. @throws HubError 401 or 404, as for one that is not there */
    showPrivate({ id }: { readonly id: string }, user: HubUser | null): void {
      if (!user) throw new HubError(401, 'Invalid username or password.')
      if (!owns(user, id) && !mayWrite(user, id)) throw noRepository()
    },
    /** @throws HubError 401 without a token, 403 for one that may not */
    mayCreate(id: string, user: HubUser | null): void {
      if (!user) throw new HubError(401, 'Invalid username or password.')
      const namespace = `${id.split('/')[0]}/*`
      const isGranted = user.role !== 'fineGrained' || user.writes?.includes(namespace)
      if (mayWrite(user, id) && isGranted) return
      throw new HubError(403, "You don't have the rights to create a model under this namespace")
    },
    /** @throws HubError 401 without a token, 403 for one that may not */
    mayWrite(id: string, user: HubUser | null): void {
      if (!user) throw new HubError(401, 'Invalid username or password.')
      if (mayWrite(user, id)) return
      throw new HubError(
        403,
        'Authorization error: you must use a write token to upload to a repository.',
      )
    },
    /** @throws HubError 401 without a token, 403 without an accepted licence */
    admit({ id, isGated }: OpenedRepository, user: HubUser | null): void {
      if (!isGated) return
      const code = 'GatedRepo'
      if (!user) {
        throw new HubError(
          401,
          `Access to model ${id} is restricted. You must have access to it and be authenticated to access it. Please log in.`,
          { code },
        )
      }
      const since = file.state.accepted.some((one) => one.user === user.name && one.id === id)
      if (since || user.accepted.includes(id)) return
      throw new HubError(
        403,
        `Access to model ${id} is restricted and you are not in the authorized list. Visit https://huggingface.co/${id} to ask for access.`,
        { code },
      )
    },
    /** What a person does in a browser. */
    accept(user: string, id: string): void {
      file.state.accepted.push({ user, id })
      file.save()
    },
    revoke(token: string): void {
      file.state.revoked.push(sha256Hex(token))
      file.save()
    },
  }
}

export type Doorkeeper = ReturnType<typeof createDoorkeeper>
