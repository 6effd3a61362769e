import { type AdminCalls, check, commonCalls, done, type EmulatorAdmin } from '../admin-calls.ts'
import { Behaviour, type BehaviourInput } from './behaviour.ts'

/** What can be done to the target from outside. It has behaviours in place of faults. */
export interface FlakyAdmin extends EmulatorAdmin {
  /** `POST /_emulator/behaviour {kind, …}`: so it answers until it is told otherwise. */
  behave(behaviour: BehaviourInput): void
  /** `GET /_emulator/certificates`: what a client has to trust for all but `unknown`, PEM. */
  trusted(): string
  /** Connections and bytes of bodies since the start or the last reset; `GET /_emulator/state`. */
  state(): ReturnType<EmulatorAdmin['state']> & {
    readonly behaviour: Behaviour
    readonly connections: number
    readonly bodyBytes: number
  }
}

export const flakyCalls = (admin: FlakyAdmin): AdminCalls => ({
  ...commonCalls(admin),
  'POST behaviour': (body) => done(admin.behave(check(Behaviour, body))),
  'GET certificates': () => ({ pem: admin.trusted() }),
})
