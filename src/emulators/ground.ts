import type { IncomingMessage } from 'node:http'
import { addSeconds, type Clock } from '../lib/clock.ts'
import { newSecret, sameSecret } from '../lib/random.ts'
import { createFaults, Fault, type FaultInput } from './faults.ts'
import { createRequests } from './requests.ts'
import { ServiceError } from './service-error.ts'
import type { StateFile } from './state-file.ts'

export interface GroundOptions {
  readonly clock: Clock
  readonly host?: string
  readonly adminToken?: string
}

/** What every emulator stands on: its virtual time, its faults, the record of its requests, and who may come in. */
export function createGround({ clock, host, ...options }: GroundOptions, file: StateFile) {
  const faults = createFaults()
  const requests = createRequests()
  const adminToken = options.adminToken ?? newSecret('emu')
  return {
    adminToken,
    faults,
    requests,
    now: (): Date => addSeconds(clock.now(), file.state.clockOffsetSeconds),
    /** The orders that mean the same everywhere. */
    orders: {
      addFaults: (...added: FaultInput[]): void => {
        for (const fault of added) faults.add(Fault.parse(fault))
      },
      clearFaults: faults.clear,
      advanceClock: (seconds: number): void => {
        file.state.clockOffsetSeconds += seconds
        file.save()
      },
      requests: requests.list,
    },
    /** A web page whose name was bent to this machine must not get in: what is sent here may run as us. */
    isOurName: (header: string | undefined, other: (name: string) => boolean = () => false) => {
      const name = (header ?? '').replace(/:\d+$/, '')
      const known = ['localhost', '127.0.0.1', '[::1]', host]
      return host === '0.0.0.0' || known.includes(name) || other(name)
    },
    /** Throws 401 for a request without the token of this emulator. */
    refuseStranger: ({ headers }: IncomingMessage): void => {
      const token = headers['x-emulator-token']
      if (typeof token !== 'string' || !sameSecret(token, adminToken))
        throw new ServiceError(401, 'x-emulator-token is missing or wrong')
    },
  }
}
