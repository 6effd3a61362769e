import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import {
  Account,
  AccountDetails,
  AccountRemoval,
  AccountsQuery,
  AccountTest,
  Budget,
  NewAccount,
  NewAdjustment,
  RemovalQuery,
  Session,
} from '../api/schemas.ts'
import { unknownAccount } from '../control/account-access.ts'
import type { EveryAccount, NewAccount as Wanted } from '../control/accounts.ts'
import type { WantedAdjustment } from '../control/adjust-budget.ts'
import type { Reads } from '../control/reads.ts'
import type { AccountContents } from '../control/remove-account.ts'
import { newId, sha256Hex } from '../lib/random.ts'
import type { Account as DomainAccount } from '../rotation/account.ts'
import { toAbsence } from './absences.ts'
import { budgetOf } from './budget.ts'
import {
  answers,
  answersPage,
  body,
  IdempotencyHeader,
  NameParam,
  PageQuery,
  routes,
} from './routes.ts'
import { emulatedNames, toAccount, toSession } from './views.ts'

export interface AccountPorts {
  readonly reads: Reads
  readonly addAccount: (wanted: Wanted) => Promise<DomainAccount>
  readonly removeAccount: (name: string, dryRun: boolean) => Promise<AccountContents>
  readonly adjustBudget: (wanted: WantedAdjustment) => Promise<void>
  readonly once: (key: string, request: string, work: () => Promise<string>) => Promise<string>
  readonly testAccount: (name: string) => Promise<z.infer<typeof AccountTest>>
  readonly credentialsOf: (given: z.output<typeof NewAccount>) => Promise<Wanted['credentials']>
  readonly now: () => Date
  readonly nodeAddress: (policy: string) => string
}

const list = createRoute({
  method: 'get',
  path: '/v1/accounts',
  request: { query: AccountsQuery },
  responses: answersPage('All accounts that are lent', Account),
})

const show = createRoute({
  method: 'get',
  path: '/v1/accounts/{name}',
  request: { params: NameParam },
  responses: answers('An account with its week and its sessions, removed or not', AccountDetails),
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/accounts/{name}',
  request: { params: NameParam, query: RemovalQuery },
  responses: answers(
    'What goes with the account; its sessions and hours stay readable under its name',
    AccountRemoval,
  ),
})

const adjust = createRoute({
  method: 'post',
  path: '/v1/accounts/{name}/adjustments',
  description: 'Corrects the book of the present week by what was used beside this service.',
  request: { params: NameParam, body: body(NewAdjustment), headers: IdempotencyHeader },
  responses: answers('The week as it is now', Budget),
})

const add = createRoute({
  method: 'post',
  path: '/v1/accounts',
  request: { body: body(NewAccount) },
  responses: answers('The account; its secrets are stored encrypted and never shown', Account),
})

const test = createRoute({
  method: 'post',
  path: '/v1/accounts/{name}/test',
  request: { params: NameParam },
  responses: answers('What the provider said to a live call', AccountTest),
})

const budget = createRoute({
  method: 'get',
  path: '/v1/budget',
  responses: answersPage(
    'Hours of each account this week, in our book and in the provider’s',
    Budget,
  ),
})

const sessions = createRoute({
  method: 'get',
  path: '/v1/sessions',
  request: {
    query: PageQuery.extend({
      open: z.enum(['true', 'false']).default('false'),
      account: z.string().min(1).optional(),
      run: z.string().min(1).optional().describe('name or id'),
    }),
  },
  responses: answersPage('Sessions of all runs, newest first', Session),
})

export const accountRoutes = (ports: AccountPorts) => {
  const { reads, now, nodeAddress } = ports
  const shown = async (account: EveryAccount) =>
    toAccount(account, {
      person: await reads.person(account.owner),
      accepted: await reads.acceptedRules(),
      serving: (await reads.servingAccepted()).get(account.name),
      removedAt: account.removedAt,
    })
  const must = async (name: string): Promise<EveryAccount> => {
    const found = (await reads.everyAccount()).find((account) => account.name === name)
    if (found) return found
    throw unknownAccount(name)
  }
  return routes()
    .openapi(list, async (c) => {
      const isWhole = c.req.valid('query').all === 'true'
      const every = await reads.everyAccount()
      const listed = every.filter(({ removedAt }) => isWhole || removedAt === null)
      return c.json({ items: await Promise.all(listed.map(shown)), next: null }, 200)
    })
    .openapi(show, async (c) => {
      const account = await must(c.req.valid('param').name)
      const { items } = await reads.sessions({ account: account.name }, 20, undefined)
      const emulated = await emulatedNames(reads)
      const person = await reads.person(account.owner)
      const absences = (await reads.absences(now())).filter(({ owner }) => owner === account.owner)
      const details = {
        ...(await shown(account)),
        budget: account.removedAt ? null : await budgetOf(reads, account, now()),
        sessions: items.map((session) => toSession(session, session.run, emulated, nodeAddress)),
        absences: absences.map((absence) => toAbsence(absence, person)),
      }
      return c.json(details, 200)
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      const dryRun = c.req.valid('query').dryRun === 'true'
      const { account, hasCredentials, sessions } = await ports.removeAccount(name, dryRun)
      const { owner, provider } = account
      const state = dryRun ? ('kept' as const) : ('removed' as const)
      const gone = { account: account.name, owner, provider, credentials: hasCredentials }
      return c.json({ ...gone, sessions, state }, 200)
    })
    .openapi(adjust, async (c) => {
      const { name } = c.req.valid('param')
      const { hours, note = null } = c.req.valid('json')
      const key = c.req.valid('header')['idempotency-key']
      const change = async (id: string) => {
        await ports.adjustBudget({ id, account: name, hours, note })
        return budgetOf(reads, await must(name), now())
      }
      if (key === undefined) return c.json(await change(newId('adj')), 200)
      const request = `POST /v1/accounts/${name}/adjustments ${JSON.stringify({ hours, note })}`
      const answer = await ports.once(key, request, async () =>
        JSON.stringify(await change(`adj_${sha256Hex(key).slice(0, 20)}`)),
      )
      return c.json(Budget.parse(JSON.parse(answer)), 200)
    })
    .openapi(add, async (c) => {
      const given = c.req.valid('json')
      const { username: _username, key: _key, token: _token, ...wanted } = given
      const credentials = await ports.credentialsOf(given)
      const account = await ports.addAccount({ ...wanted, credentials })
      return c.json(await shown({ ...account, removedAt: null }), 200)
    })
    .openapi(test, async (c) => c.json(await ports.testAccount(c.req.valid('param').name), 200))
    .openapi(budget, async (c) => {
      const items: z.infer<typeof Budget>[] = []
      for (const account of await reads.accounts()) {
        items.push(await budgetOf(reads, account, now()))
      }
      return c.json({ items, next: null }, 200)
    })
    .openapi(sessions, async (c) => {
      const { limit, cursor, open, account, run } = c.req.valid('query')
      const which = { open: open === 'true', account, run }
      const { items, next } = await reads.sessions(which, limit, cursor)
      const emulated = await emulatedNames(reads)
      const listed = items.map((session) => toSession(session, session.run, emulated, nodeAddress))
      return c.json({ items: listed, next }, 200)
    })
}
