import type { Account } from '../../rotation/account.ts'
import type { Faults } from '../faults.ts'
import type { VirtualTime } from '../virtual-time.ts'
import { type ColabCliModel, colabCliModel } from './colab-cli.ts'
import { type ColabLinkModel, colabLinkModel } from './colab-link.ts'
import { type ColabMachines, colabMachines } from './colab-machines.ts'
import type { ProviderModel, RunNotebook, Truth } from './machine.ts'
import type { Person } from './person.ts'
import { outages } from './trouble.ts'

export interface ColabModelOptions {
  readonly time: VirtualTime
  readonly seed: number
  readonly faults: Faults
  /** What runs on each machine. */
  readonly run: RunNotebook
  /** Who opens the links of an account. */
  readonly personOf: (account: Account) => Person
}

interface User {
  readonly machines: ColabMachines
  readonly link: ColabLinkModel
  readonly cli: ColabCliModel
}

const nothing: Truth = {
  sessions: [],
  usedByWeek: new Map(),
  allowed: () => [],
  overruns: [],
  duplicates: [],
  denials: 0,
}

/**
 * Colab in virtual time, for any number of accounts, each by its driver. With a link it never tells whether a session runs;
 * the command line does (test/contract/colab-sessions.ts).
 */
export function colabModel(options: ColabModelOptions): ProviderModel {
  const { time, seed, faults } = options
  const users = new Map<string, User>()
  const down = outages(seed, faults, 'colab', time.now())
  const isDown = (): boolean => down.at(time.now()) !== null

  function userOf(account: Account): User {
    const known = users.get(account.username)
    if (known) return known
    const machines = colabMachines(account, options)
    const person = options.personOf(account)
    const parts = { ...options, machines, person, isDown }
    const user: User = {
      machines,
      link: colabLinkModel(account.username, parts),
      cli: colabCliModel(account.username, parts),
    }
    users.set(account.username, user)
    return user
  }

  const driven = (account: Account): ColabLinkModel | ColabCliModel =>
    account.driver === 'cli' ? userOf(account).cli : userOf(account).link

  return {
    name: 'colab',
    appearsWithinSeconds: 60,
    tells: (account) => account.driver === 'cli',
    sealed: () => false,
    launch: async (order) => driven(order.account).launch(order),
    observe: async (account, name) => driven(account).observe(name),
    kill: async (account, name) => account.driver === 'cli' && userOf(account).cli.kill(name),
    askToStop: async () => undefined,
    logTail: async () => '',
    quota: async () => null,
    truth: (username) => users.get(username)?.machines.truth() ?? nothing,
    left: (username) => users.get(username)?.machines.left() ?? { leftMs: 0, allowedMs: 0 },
    usernames: () => [...users.keys()],
  }
}
