import { describe, expect, it } from 'vitest'
import { addAccount, type NewAccount } from '../../src/control/accounts.ts'
import { removeAccount } from '../../src/control/remove-account.ts'
import { accountBook } from '../../src/store/account-book.ts'
import { readAccounts } from '../../src/store/account-rows.ts'
import { readLedger } from '../../src/store/ledger-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { settableClock } from '../settable-clock.ts'
import { endSession, markLaunching, planSession } from '../store/by-hand.ts'
import { endOf, freshDatabase, HOUR, plannedOf, runOf, seed, start } from '../store/fixture.ts'

const ana: NewAccount = {
  name: 'ana',
  owner: 'Ana',
  provider: 'kaggle',
  credentials: { kind: 'key', username: 'ana-k', key: 'k' },
  acceptRules: true,
}

/** An account that has done an hour of work, and one that is idle. */
async function world() {
  const fresh = await freshDatabase()
  const { db } = fresh
  const clock = settableClock(start)
  const now = () => clock.now()
  const book = accountBook(db, Buffer.alloc(32, 1), now)
  const store = rotationStore(db, now)
  const run = runOf('one')
  await seed(db, [], [run])
  const account = await addAccount(book, ana, false)
  const plan = plannedOf(run, account, now(), HOUR)
  if (!(await planSession(store, plan))) throw new Error('not planned')
  await markLaunching(store, plan.id, 'hash')
  const forgotten: string[] = []
  const remove = (name: string, dryRun = false) =>
    removeAccount(
      { rows: book, removeSignIn: async ({ name: of }) => void forgotten.push(of) },
      name,
      dryRun,
    )
  return {
    db,
    clock,
    book,
    store,
    forgotten,
    remove,
    look: reads(db),
    async end() {
      clock.advance(HOUR)
      await endSession(store, plan.id, endOf('lost'))
    },
    [Symbol.asyncDispose]: fresh[Symbol.asyncDispose],
  }
}

describe('an account that is removed', () => {
  it('is refused with a live session, and told which', async () => {
    await using w = await world()
    await expect(w.remove('ana')).rejects.toMatchObject({
      kind: 'conflict',
      code: 'account_busy',
      message: 'account ana has a live session: session 1 of run one',
    })
    expect(w.forgotten).toEqual([])
    expect(await w.book.credentials('ana')).toBeDefined()
    await expect(w.remove('nobody')).rejects.toMatchObject({ code: 'account_unknown' })
  })

  it('takes no part any more, and its history is still told', async () => {
    await using w = await world()
    await w.end()
    expect(await w.remove('ana', true)).toMatchObject({ hasCredentials: true, sessions: 1 })
    expect(await w.book.credentials('ana')).toBeDefined()
    await w.remove('ana')
    expect(w.forgotten).toEqual(['ana'])
    expect(await w.book.credentials('ana')).toBeUndefined()
    expect(await w.db.all('select 1 from credentials')).toEqual([])
    expect(await w.store.accounts()).toEqual([])
    expect(await w.look.accounts()).toEqual([])
    expect(await w.book.all()).toEqual([])
    expect(await w.book.named('ana')).toBeUndefined()
    const [known] = await w.look.everyAccount()
    expect(known).toMatchObject({
      name: 'ana',
      owner: 'Ana',
      username: 'ana-k',
      removedAt: w.clock.now(),
    })
    expect((await w.look.sessionsOf('run_one')).map(({ account }) => account)).toEqual(['ana'])
    expect((await readLedger(w.db, 'ana', new Date(0))).length).toBe(3)
    await expect(w.remove('ana')).rejects.toMatchObject({ code: 'account_unknown' })
  })

  it('is followed to the end of a session that was planned while it was removed, and gets no other', async () => {
    await using w = await world()
    // As two requests at once would leave it.
    await w.db.run('update accounts set removed_at = $1', start)
    const [account] = await readAccounts(w.db)
    expect(account).toMatchObject({ name: 'ana', holdReason: 'it was removed' })
    expect(account?.holdUntil?.getUTCFullYear()).toBe(9999)
    await w.end()
    expect(await readAccounts(w.db)).toEqual([])
  })

  it('is lent again by the same owner under its name, with the hours that it has used', async () => {
    await using w = await world()
    await w.end()
    await w.remove('ana')
    const again = {
      ...ana,
      weeklyHours: 20,
      credentials: { kind: 'token', username: 'ana-2', token: 't' },
    } as const
    for (const changes of [{ owner: 'Bia' }, { provider: 'colab', owner: 'Ana' }] as const) {
      await expect(addAccount(w.book, { ...again, ...changes }, false)).rejects.toMatchObject({
        code: 'account_exists',
        message: expect.stringContaining("was removed: Ana's at kaggle"),
      })
    }
    await addAccount(w.book, again, false)
    expect(await w.book.named('ana')).toMatchObject({
      owner: 'Ana',
      username: 'ana-2',
      weeklySeconds: 20 * HOUR,
      holdUntil: null,
    })
    expect((await w.look.everyAccount()).map(({ removedAt }) => removedAt)).toEqual([null])
    expect(await w.book.credentials('ana')).toMatchObject({ token: 't' })
    const rows = await readLedger(w.db, 'ana', new Date(0))
    expect(
      rows.filter(({ kind }) => kind === 'settle').map(({ gpuSeconds }) => gpuSeconds),
    ).toEqual([HOUR])
  })

  it('does not stand in the way of a new one of its owner, which grants no week twice', async () => {
    await using w = await world()
    await w.end()
    await w.remove('ana')
    await addAccount(w.book, { ...ana, name: 'ana-new' }, false)
    const [carried, ...more] = await readLedger(w.db, 'ana-new', new Date(0))
    expect(carried).toMatchObject({
      kind: 'adjust',
      gpuSeconds: -HOUR,
      note: 'used as ana, which was removed',
    })
    expect(more).toEqual([])
    // Now the owner lends one: neither a third nor the old one again.
    for (const name of ['third', 'ana']) {
      await expect(addAccount(w.book, { ...ana, name }, false)).rejects.toMatchObject({
        code: 'second_account',
      })
    }
    await w.remove('ana-new')
    w.clock.advance(7 * 24 * HOUR)
    await addAccount(w.book, { ...ana, name: 'ana-later' }, false)
    expect(await readLedger(w.db, 'ana-later', new Date(0))).toEqual([])
  })

  it('frees the one place of the command line of Colab', async () => {
    await using w = await world()
    const rui: NewAccount = {
      name: 'rui',
      owner: 'Rui',
      provider: 'colab',
      driver: 'cli',
      acceptRules: true,
    }
    await addAccount(w.book, rui, false)
    await w.remove('rui')
    await addAccount(w.book, { ...rui, name: 'eva', owner: 'Eva' }, false)
    expect((await w.book.all()).map(({ name }) => name)).toEqual(['ana', 'eva'])
  })
})

describe('what is said of an owner', () => {
  it.each([
    ['a zone that there is not', { zone: 'Europe/Lissabon' }, 'zone_unknown', /Lissabon/],
    ['an offset for a zone', { zone: '+01:00' }, 'zone_unknown', /\+01:00/],
    ['the same hour twice', { waking: { from: 8, to: 8 } }, 'waking_hours', /8-8/],
    ['an hour past the day', { waking: { from: 8, to: 25 } }, 'waking_hours', /8-25/],
    ['half an hour', { waking: { from: 8.5, to: 20 } }, 'waking_hours', /8\.5-20/],
  ])('is refused with %s, and no account is added', async (_why, said, code, message) => {
    await using w = await world()
    const bia = {
      ...ana,
      name: 'bia',
      owner: 'Bia',
      credentials: { kind: 'key', username: 'b', key: 'k' },
      ...said,
    } as const
    await expect(addAccount(w.book, bia, false)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
    expect(await w.book.named('bia')).toBeUndefined()
  })

  it('stands for all of their accounts, and is changed by adding one again', async () => {
    await using w = await world()
    const usual = await w.look.person('Ana')
    expect(usual).toMatchObject({ wakingFrom: 8, wakingTo: 23, zone: expect.any(String) })
    const colab: NewAccount = {
      name: 'ana-colab',
      owner: 'Ana',
      provider: 'colab',
      acceptRules: true,
    }
    await addAccount(
      w.book,
      { ...colab, zone: 'Europe/Lisbon', waking: { from: 22, to: 6 } },
      false,
    )
    expect(await w.look.person('Ana')).toEqual({
      owner: 'Ana',
      zone: 'Europe/Lisbon',
      wakingFrom: 22,
      wakingTo: 6,
    })
    // No credentials are needed for that, also where an account has some, which stay.
    const { credentials: _none, ...bare } = ana
    await addAccount(w.book, { ...bare, zone: 'America/Sao_Paulo' }, false)
    expect(await w.look.person('Ana')).toMatchObject({ zone: 'America/Sao_Paulo', wakingFrom: 22 })
    expect(await w.book.credentials('ana')).toMatchObject({ key: 'k' })
  })
})
