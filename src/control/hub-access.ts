import { AppError } from '../lib/errors.ts'

/** The stored token of one hub; sealed at rest. */
export interface HubTokenRows {
  read(hub: string): Promise<StoredToken | undefined>
  /** Keeps a token in place of any before, as one event. */
  write(hub: string, token: Pick<StoredToken, 'token' | 'user' | 'role'>): Promise<void>
  /** Notes that the hub does not take this very token any more, as one event; a newer one stays. */
  markRefused(hub: string, token: string): Promise<void>
  /** Removes it, as one event; false when there was none. */
  remove(hub: string): Promise<boolean>
}

export interface StoredToken {
  readonly token: string
  /** Whose it is, as the hub says. */
  readonly user: string
  /** What it may do, in the hub's own word. */
  readonly role: string
  readonly state: 'good' | 'refused'
}

export interface HubAccessPorts {
  /** The hub's address: a token for one hub is never shown to another. */
  readonly hubUrl: string
  readonly rows: HubTokenRows
  /** @throws AppError `unauthorized` (`hub_token_over`) for a token that the hub does not know */
  readonly whoIs: (token: string) => Promise<{ readonly name: string; readonly role: string }>
}

export interface HubStatus {
  readonly state: 'none' | 'good' | 'refused'
  readonly hub: string
  readonly user: string | null
  readonly role: string | null
}

/** The person's token of the model hub: proved, kept sealed, never given out; sessions get addresses made with it. */
export function hubAccess({ hubUrl, rows, whoIs }: HubAccessPorts) {
  const status = async (): Promise<HubStatus> => {
    const kept = await rows.read(hubUrl)
    return kept
      ? { state: kept.state, hub: hubUrl, user: kept.user, role: kept.role }
      : { state: 'none', hub: hubUrl, user: null, role: null }
  }
  return {
    hubUrl,
    status,
    /**
     * Proves a token by a live call, then keeps it; what was kept before stays when it is none.
     * @throws AppError as `whoIs`; `invalid` (`not_a_token`) for what cannot be one, of which nothing is repeated
     */
    async keep(token: string): Promise<HubStatus> {
      if (!/^hf_[A-Za-z0-9_-]+$/.test(token)) {
        throw new AppError('invalid', 'a token of the hub begins with hf_, and this does not', {
          code: 'not_a_token',
          next: `Make a read token at ${hubUrl}/settings/tokens`,
        })
      }
      const { name, role } = await whoIs(token)
      await rows.write(hubUrl, { token, user: name, role })
      return status()
    },
    async forget(): Promise<HubStatus> {
      await rows.remove(hubUrl)
      return status()
    },
    /** For calls to the hub alone. */
    token: (): Promise<StoredToken | undefined> => rows.read(hubUrl),
    refused: (token: string): Promise<void> => rows.markRefused(hubUrl, token),
  }
}

export type HubAccess = ReturnType<typeof hubAccess>
