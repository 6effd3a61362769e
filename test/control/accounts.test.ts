import { describe, expect, it } from 'vitest'
import { type AccountRows, addAccount, type NewAccount } from '../../src/control/accounts.ts'
import { firstStart } from '../../src/control/first-start.ts'
import type { SignInStatus } from '../../src/control/google-sign-in.ts'
import type { WantedRun } from '../../src/control/start-run.ts'
import { sessionName } from '../../src/rotation/session.ts'
import { accountBook } from '../../src/store/account-book.ts'
import { freshDatabase, start } from '../store/fixture.ts'

async function opened() {
  const fresh = await freshDatabase()
  const rows = accountBook(fresh.db, Buffer.alloc(32, 1), () => new Date(start))
  return { rows, [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose]() }
}

const ana: NewAccount = {
  name: 'ana',
  owner: 'Ana',
  provider: 'kaggle',
  credentials: { kind: 'key', username: 'ana', key: 'k' },
  acceptRules: true,
}

describe('an account that is added', () => {
  it('has its provider’s limits, or those that were given', async () => {
    await using world = await opened()
    expect(await addAccount(world.rows, ana, false)).toMatchObject({
      weeklySeconds: 108_000,
      maxSessionSeconds: 32_400,
      marginPercent: 5,
      emulated: false,
    })
    const wanted = {
      ...ana,
      name: 'bia',
      owner: 'Bia',
      weeklyHours: 1.5,
      maxSessionHours: 0.25,
      credentials: { kind: 'key', username: 'bia', key: 'k' },
    } as const
    expect(await addAccount(world.rows, wanted, false)).toMatchObject({
      weeklySeconds: 5400,
      maxSessionSeconds: 900,
    })
  })

  it.each([
    ['without the rules accepted', { acceptRules: false }, 'rules_not_accepted'],
    ['without credentials', { credentials: undefined }, 'credentials_missing'],
  ])('%s is refused, and nothing is stored', async (_why, changes, code) => {
    await using world = await opened()
    await expect(addAccount(world.rows, { ...ana, ...changes }, false)).rejects.toMatchObject({
      code,
    })
    expect(await world.rows.all()).toEqual([])
  })

  it('needs the rules of a provider accepted once', async () => {
    await using world = await opened()
    await addAccount(world.rows, ana, false)
    const bia = {
      ...ana,
      name: 'bia',
      owner: 'Bia',
      acceptRules: false,
      credentials: { kind: 'key', username: 'bia', key: 'k' },
    } as const
    expect((await addAccount(world.rows, bia, false)).name).toBe('bia')
  })

  it('is the only one of its owner at a provider, beside an emulated one', async () => {
    await using world = await opened()
    await addAccount(world.rows, ana, false)
    await expect(addAccount(world.rows, { ...ana, name: 'second' }, false)).rejects.toMatchObject({
      code: 'second_account',
      message: expect.stringContaining('break that provider'),
    })
    await addAccount(world.rows, { ...ana, name: 'toy' }, true)
    await addAccount(
      world.rows,
      { ...ana, name: 'here', provider: 'local', credentials: undefined },
      true,
    )
    expect((await world.rows.named('here'))?.emulated).toBe(false)
  })

  it('is driven by a person’s link at Colab, or by its command line once that one’s rules are accepted', async () => {
    await using world = await opened()
    const cris: NewAccount = { name: 'cris', owner: 'Cris', provider: 'colab', acceptRules: true }
    expect(await addAccount(world.rows, cris, false)).toMatchObject({
      driver: 'link',
      automation: 'person',
    })
    const rui: NewAccount = { ...cris, name: 'rui', owner: 'Rui', driver: 'cli' }
    await expect(
      addAccount(world.rows, { ...rui, acceptRules: false }, false),
    ).rejects.toMatchObject({
      code: 'rules_not_accepted',
      next: expect.stringMatching(/interactive use.*faq\.html.*One Google account only/),
    })
    expect(await addAccount(world.rows, rui, false)).toMatchObject({ driver: 'cli' })
    expect(await world.rows.named('rui')).toMatchObject({ driver: 'cli', automation: 'api' })
  })

  it.each([
    ['a second one of the command line', { name: 'eva', owner: 'Eva' }, false, 'second_account'],
    ['a driver elsewhere', { provider: 'local' }, false, 'driver_unknown'],
    ['the command line beside emulators', {}, true, 'driver_not_emulated'],
  ] as const)('is refused: %s', async (_why, changes, emulated, code) => {
    await using world = await opened()
    const rui: NewAccount = {
      name: 'rui',
      owner: 'Rui',
      provider: 'colab',
      driver: 'cli',
      acceptRules: true,
    }
    if (code === 'second_account') await addAccount(world.rows, rui, false)
    await expect(addAccount(world.rows, { ...rui, ...changes }, emulated)).rejects.toMatchObject({
      code,
    })
    expect((await world.rows.all()).length).toBe(code === 'second_account' ? 1 : 0)
  })

  it('of the command line stays the only one when two are added at once', async () => {
    await using world = await opened()
    const rows = { ...world.rows, all: async () => [] } // each looked before the other wrote
    const rui: NewAccount = {
      name: 'rui',
      owner: 'Rui',
      provider: 'colab',
      driver: 'cli',
      acceptRules: true,
    }
    await addAccount(rows, rui, false)
    await expect(addAccount(rows, { ...rui, name: 'eva', owner: 'Eva' }, false)).rejects.toThrow()
    expect(await world.rows.all()).toHaveLength(1)
  })

  it('again takes new credentials, and no name is taken from another', async () => {
    await using world = await opened()
    await addAccount(world.rows, ana, false)
    const renewed = { kind: 'token', username: 'ana', token: 't' } as const
    await addAccount(world.rows, { ...ana, credentials: renewed }, false)
    expect(await world.rows.credentials('ana')).toEqual(renewed)
    expect(await world.rows.all()).toHaveLength(1)
    await expect(addAccount(world.rows, { ...ana, owner: 'Bia' }, false)).rejects.toMatchObject({
      code: 'account_exists',
    })
  })
})

const waiting: SignInStatus = { state: 'waiting', userCode: 'A', verificationUrl: 'http://g' }

describe('a first start', () => {
  const ports = (rows: AccountRows) => {
    const did: string[] = []
    return {
      did,
      accounts: rows,
      emulators: {
        stagePreemption: async (session: number | string) => void did.push(`stage ${session}`),
      },
      google: undefined,
      sleep: async () => undefined,
      hasRuns: async () => did.includes('start'),
      withSample: true,
      real: undefined,
      importSample: async () => {
        did.push('import')
        return 'ds_sample'
      },
      startRun: async () => void did.push('start'),
    }
  }

  it('fills an empty folder with three accounts and one run, and does so once', async () => {
    await using world = await opened()
    const given = ports(world.rows)
    await firstStart(given)
    await firstStart(given)
    const accounts = await world.rows.all()
    expect(accounts.map(({ name, provider, emulated }) => [name, provider, emulated])).toEqual([
      ['ana', 'kaggle', true],
      ['bia', 'kaggle', true],
      ['local', 'local', false],
    ])
    expect(given.did).toEqual(['import', 'stage 2', 'start'])
  })

  it('brings no account back that a person has removed', async () => {
    await using world = await opened()
    await firstStart(ports(world.rows))
    for (const name of ['ana', 'bia', 'local']) await world.rows.remove(name)
    await firstStart(ports(world.rows))
    expect(await world.rows.all()).toEqual([])
  })

  it('that was cut short is made good by the next', async () => {
    await using world = await opened()
    const given = ports(world.rows)
    const dying = { ...given, importSample: () => Promise.reject(new Error('dead')) }
    await expect(firstStart(dying)).rejects.toThrow('dead')
    await firstStart(given)
    expect(await world.rows.all()).toHaveLength(3)
    expect(given.did).toEqual(['import', 'stage 2', 'start'])
  })

  it('that died between the two lenders adds the other one', async () => {
    await using world = await opened()
    let left = 2
    const dying = {
      ...world.rows,
      add: (...args: Parameters<typeof world.rows.add>) => {
        left -= 1
        return left < 0 ? Promise.reject(new Error('dead')) : world.rows.add(...args)
      },
    }
    await expect(firstStart({ ...ports(world.rows), accounts: dying })).rejects.toThrow('dead')
    await firstStart(ports(world.rows))
    expect((await world.rows.all()).map(({ name }) => name)).toEqual(['ana', 'bia', 'local'])
  })

  it('signs in at the emulated Google, where Colab takes its turn between two at Kaggle', async () => {
    await using world = await opened()
    const given = ports(world.rows)
    const answers: SignInStatus[] = [{ state: 'none' }, waiting, waiting, { state: 'good' }]
    let begun = 0
    const google = {
      begin: async () => {
        begun += 1
        return waiting
      },
      status: async () => (answers.length > 1 ? answers.shift() : answers[0]) ?? waiting,
    }
    await firstStart({ ...given, google })
    await firstStart({ ...given, google })
    expect(begun).toBe(1)
    const accounts = (await world.rows.all()).toSorted(
      (a, b) => b.maxSessionSeconds - a.maxSessionSeconds,
    )
    expect(accounts.map(({ name, provider }) => [name, provider])).toEqual([
      ['ana', 'kaggle'],
      ['ana-colab', 'colab'],
      ['bia', 'kaggle'],
      ['local', 'local'],
    ])
  })

  it('whose emulated sign-in is refused says so, and begins no run', async () => {
    await using world = await opened()
    const given = ports(world.rows)
    const google = {
      begin: async () => waiting,
      status: async () => ({ state: 'denied' as const }),
    }
    await expect(firstStart({ ...given, google })).rejects.toMatchObject({
      message: expect.stringContaining('denied'),
      next: expect.stringContaining('rodizio login google'),
    })
    expect(given.did).toEqual([])
  })

  it('begins a run that really trains where it is asked for, beside the sample, and does so once', async () => {
    await using world = await opened()
    const given = ports(world.rows)
    await firstStart(given)
    const begun: WantedRun[] = []
    const staged: (number | string)[] = []
    const real = { base: '/data/tiny-base', isThere: async () => begun.length > 0 }
    const asked = {
      ...given,
      real,
      emulators: { stagePreemption: async (session: number | string) => void staged.push(session) },
      startRun: async (wanted: WantedRun) => void begun.push(wanted),
    }
    await firstStart(asked)
    await firstStart(asked)
    expect(begun).toMatchObject([
      {
        name: 'real',
        engine: 'trl',
        dataset: 'ds_sample',
        sample: true,
        plan: { base: '/data/tiny-base', targets: expect.arrayContaining(['q_proj']) },
      },
    ])
    const [wanted] = begun
    // The third of its sessions, whatever else runs at Kaggle meanwhile.
    expect(staged).toEqual([sessionName(wanted?.id ?? '', 'real', 3)])
    // Three sessions at the least, the killed one among them.
    expect(wanted?.steps).toBeGreaterThan(2 * (wanted?.options.sessionSteps ?? 0))
    expect(wanted?.plan).not.toHaveProperty('quantization') // the default: 4 bit
  })

  it('begins it on an empty folder in place of the sample, wanted or not', async () => {
    await using world = await opened()
    const given = { ...ports(world.rows), withSample: false }
    await firstStart({ ...given, real: { base: '/b', isThere: async () => false } })
    expect(given.did).toEqual(['import', expect.stringMatching(/^stage rodizio-real-/), 'start'])
    expect(await world.rows.all()).toHaveLength(3)
  })

  it('begins no sample where none is wanted', async () => {
    await using world = await opened()
    const given = ports(world.rows)
    await firstStart({ ...given, withSample: false })
    expect(given.did).toEqual([])
  })
})
