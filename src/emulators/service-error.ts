/** An answer in the service's own error envelope. */
export class ServiceError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ServiceError'
    this.status = status
  }
}

export const notModelled = (what: string): ServiceError =>
  new ServiceError(501, `This emulator does not model ${what}.`)
