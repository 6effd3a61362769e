/** A refusal as the hub words it: a text, and headers by which clients tell cases apart. */
export class HubError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** What the body says besides. */
  readonly body: Readonly<Record<string, string>>

  constructor(
    status: number,
    message: string,
    more: {
      readonly code?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: Readonly<Record<string, string>>
    } = {},
  ) {
    super(message)
    this.name = 'HubError'
    this.status = status
    this.body = more.body ?? {}
    this.headers = {
      'x-error-message': message,
      ...(more.code === undefined ? {} : { 'x-error-code': more.code }),
      ...more.headers,
    }
  }
}
