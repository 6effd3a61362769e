import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Account, AccountTest, Budget, NewAccount, Session } from '../api/schemas.ts'
import type { NewAccount as Wanted } from '../control/accounts.ts'
import type { Reads } from '../control/reads.ts'
import type { Account as DomainAccount } from '../rotation/account.ts'
import { balanceSeconds, plannableSeconds, totals } from '../rotation/ledger.ts'
import { weekOf } from '../rotation/week.ts'
import { answers, answersPage, body, NameParam, PageQuery, routes } from './routes.ts'
import { emulatedNames, toAccount, toSession } from './views.ts'

export interface AccountPorts {
  readonly reads: Reads
  readonly addAccount: (wanted: Wanted) => Promise<DomainAccount>
  readonly testAccount: (name: string) => Promise<z.infer<typeof AccountTest>>
  readonly credentialsOf: (given: z.output<typeof NewAccount>) => Promise<Wanted['credentials']>
  readonly now: () => Date
}

const list = createRoute({
  method: 'get',
  path: '/v1/accounts',
  responses: answersPage('All accounts', Account),
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
  request: { query: PageQuery.extend({ open: z.enum(['true', 'false']).default('false') }) },
  responses: answersPage('Sessions of all runs, newest first', Session),
})

export const accountRoutes = (ports: AccountPorts) =>
  routes()
    .openapi(list, async (c) =>
      c.json({ items: (await ports.reads.accounts()).map(toAccount), next: null }, 200),
    )
    .openapi(add, async (c) => {
      const given = c.req.valid('json')
      const { name, owner, provider, driver, weeklyHours, maxSessionHours, acceptRules } = given
      const credentials = await ports.credentialsOf(given)
      const wanted = {
        name,
        owner,
        provider,
        driver,
        weeklyHours,
        maxSessionHours,
        acceptRules,
        credentials,
      }
      return c.json(toAccount(await ports.addAccount(wanted)), 200)
    })
    .openapi(test, async (c) => c.json(await ports.testAccount(c.req.valid('param').name), 200))
    .openapi(budget, async (c) => {
      const items: z.infer<typeof Budget>[] = []
      for (const account of await ports.reads.accounts()) items.push(await budgetOf(ports, account))
      return c.json({ items, next: null }, 200)
    })
    .openapi(sessions, async (c) => {
      const { limit, cursor, open } = c.req.valid('query')
      const { items, next } = await ports.reads.sessions(open === 'true', limit, cursor)
      const emulated = await emulatedNames(ports.reads)
      const shown = items.map((session) => toSession(session, emulated))
      return c.json({ items: shown, next }, 200)
    })

async function budgetOf({ reads, now }: AccountPorts, account: DomainAccount) {
  const week = weekOf(account.reset, now())
  const rows = await reads.ledger(account.name, week.start)
  const sums = totals(rows, week.start)
  const reading = await reads.quota(account.name)
  const hours = (seconds: number) => seconds / 3600
  return {
    account: account.name,
    provider: account.provider,
    emulated: account.emulated,
    weekStart: week.start.toISOString(),
    resetsAt: week.end.toISOString(),
    weeklyHours: hours(account.weeklySeconds),
    plannableHours: hours(plannableSeconds(account)),
    usedHours: hours(sums.settledSeconds),
    reservedHours: hours(sums.reservedSeconds),
    adjustedHours: hours(sums.adjustedSeconds),
    leftHours: hours(balanceSeconds(account, rows, week.start)),
    providerReading: reading
      ? {
          readAt: reading.readAt.toISOString(),
          usedHours: hours(reading.usedSeconds),
          reservedHours: hours(reading.reservedSeconds),
          allowedHours: hours(reading.allowedSeconds),
          refreshesAt: reading.refreshesAt?.toISOString() ?? null,
        }
      : null,
  }
}
