import { describe, expect, it } from 'vitest'
import type { Attempt } from '../../src/alerts/delivery.ts'
import type { Letter } from '../../src/alerts/outbox.ts'
import { Fault, type FaultInput } from '../../src/emulators/faults.ts'
import { startSmtpEmulator } from '../../src/emulators/smtp/server.ts'
import { start } from '../store/fixture.ts'
import { alertOf, type OpenDesk, openDesk, readMail } from './desk-fixture.ts'

const fixed = () => new Date(start)
const smtp = () => startSmtpEmulator({ now: fixed })
const HOUR = 3600

describe('alerts by mail', () => {
  it('of a node that goes down and comes back are one thread of two mails', async () => {
    await using server = await smtp()
    await using desk = await openDesk({ mailPort: server.port })
    await desk.tell(alertOf('node-down', 'gpu-1', 0))
    await desk.work()
    expect(server.mailbox.all()).toEqual([])
    desk.clock.advance(31)
    await desk.work()
    await desk.tell(
      alertOf('node-recovered', 'gpu-1', 400, { facts: { downSeconds: 400, words: 'gone' } }),
    )
    desk.clock.advance(500)
    await desk.work()
    const [down, back, ...more] = server.mailbox.all().map(({ raw }) => readMail(raw).headers)
    expect(more).toEqual([])
    expect(down?.get('subject')).toBe('gpu-1 is down')
    expect(down?.get('auto-submitted')).toBe('auto-generated')
    expect(down?.get('message-id')).toMatch(/^<[0-9a-f]{32}\.rodizio@vm\.example>$/)
    expect(down?.has('in-reply-to')).toBe(false)
    expect(back?.get('subject')).toBe('Re: gpu-1 is down')
    expect(back?.get('in-reply-to')).toBe(down?.get('message-id'))
    expect(back?.get('references')).toBe(down?.get('message-id'))
  })

  it('of thirty nodes that fall while no server answers are three at most, downs first, across a restart', async () => {
    const server = await smtp()
    const { port } = server
    await server.close()
    await using desk = await openDesk({ mailPort: port, timeoutMs: 1000 })
    const nodes = Array.from({ length: 30 }, (_, n) => `gpu-${n}`)
    for (const [n, node] of nodes.entries()) {
      await desk.tell(alertOf('node-down', node, n * 40))
      desk.clock.set(desk.at(n * 40 + 35))
      await desk.work()
      if (n % 10 === 5) await desk.tell(alertOf('node-recovered', node, n * 40 + 36))
    }
    await desk.reopen('second')
    for (const [n, node] of nodes.entries()) {
      if (n % 10 !== 5) await desk.tell(alertOf('node-recovered', node, 4000 + n))
    }
    desk.clock.set(desk.at(6000))
    await desk.work()
    await using again = await startSmtpEmulator({ now: fixed, port })
    desk.clock.set(desk.at(9000))
    await desk.work()
    const mails = again.mailbox.all().map(({ raw }) => readMail(raw).headers)
    expect(mails.map((mail) => mail.get('subject'))).toEqual([
      'gpu-0 is down',
      '29 nodes are down: gpu-1, gpu-2, gpu-3 and 26 more',
      '30 nodes are back: gpu-5, gpu-15, gpu-25 and 27 more',
    ])
    const [first, second, third] = mails.map((mail) => mail.get('message-id'))
    expect(mails[2]?.get('references')).toBe(`${first} ${second}`)
    expect(mails[2]?.get('in-reply-to')).toBe(second)
    expect(third).not.toBe(second)
    expect((await desk.letters()).map(({ state }) => state)).toEqual(['sent', 'sent', 'sent'])
    expect(desk.trouble).toEqual([])
  })

  it('are tried for a day when no server answers, then parked; what comes after is sent', async () => {
    const server = await smtp()
    const { port } = server
    await server.close()
    await using desk = await openDesk({ mailPort: port, timeoutMs: 1000 })
    await desk.tell(alertOf('run-failed', 'support', 0))
    for (let hour = 0; hour < 25 * 6; hour += 1) {
      desk.clock.advance(600)
      await desk.work()
    }
    expect(await desk.letters()).toMatchObject([
      { state: 'parked', said: expect.stringContaining('ECONNREFUSED') },
    ])
    await using again = await startSmtpEmulator({ now: fixed, port })
    await desk.tell(alertOf('run-finished', 'other', 25 * HOUR))
    desk.clock.advance(HOUR)
    await desk.work()
    expect(again.mailbox.all()).toHaveLength(1)
    const [parked] = await desk.letters()
    await desk.outbox.retry(parked?.id ?? '', desk.clock.now())
    await desk.work()
    expect(again.mailbox.all().map(({ raw }) => readMail(raw).headers.get('subject'))).toEqual([
      'other is finished',
      'support has failed',
    ])
    await expect(desk.outbox.retry(parked?.id ?? '', desk.clock.now())).rejects.toMatchObject({
      code: 'delivery_sent',
    })
  })

  const status = (rpc: string, code: number): FaultInput => ({
    kind: 'status',
    rpc,
    status: code,
    message: 'as told',
  })
  it.each<[string, FaultInput, number]>([
    ['421 at the greeting', status('connect', 421), 1],
    ['554 at the greeting', status('connect', 554), 1],
    ['450 for the receiver', status('RCPT', 450), 1],
    ['451 after the message', status('message', 451), 1],
    ['a cut after DATA', { kind: 'cut', rpc: 'message' }, 1],
    ['a cut after the server has taken it', { kind: 'started_but_cut', rpc: 'message' }, 2],
    ['a server that hangs', { kind: 'hang', rpc: 'MAIL' }, 1],
    ['a server that talks nonsense', { kind: 'garbage', rpc: 'MAIL', body: 'hello' }, 1],
  ])('go again, the same to the byte, after %s', async (_what, fault, copies) => {
    await using server = await smtp()
    await using desk = await openDesk({ mailPort: server.port, timeoutMs: 400 })
    server.faults.add(Fault.parse(fault))
    await desk.tell(alertOf('node-down', 'gpu-1', 0))
    desk.clock.advance(31)
    await desk.work()
    expect(await desk.letters()).toMatchObject([{ state: 'waiting', attempts: 1 }])
    desk.clock.advance(10)
    await desk.work() // too early
    expect(await desk.letters()).toMatchObject([{ state: 'waiting', attempts: 1 }])
    desk.clock.advance(10)
    await desk.work()
    expect(await desk.letters()).toMatchObject([{ state: 'sent', attempts: 2 }])
    const raws = server.mailbox.all().map(({ raw }) => raw)
    expect(raws).toHaveLength(copies)
    expect(new Set(raws).size).toBe(1)
  })

  it('wait for a greylisting server, and nothing overtakes them', async () => {
    const now = { at: fixed() }
    await using server = await startSmtpEmulator({ now: () => now.at, greylistSeconds: 60 })
    await using desk = await openDesk({ mailPort: server.port })
    await desk.tell(alertOf('node-down', 'gpu-1', 0))
    desk.clock.advance(31)
    await desk.work()
    await desk.tell(alertOf('node-recovered', 'gpu-1', 32))
    for (let look = 0; look < 60; look += 1) {
      desk.clock.advance(10)
      now.at = desk.clock.now()
      await desk.work()
    }
    expect(server.mailbox.all().map(({ raw }) => readMail(raw).headers.get('subject'))).toEqual([
      'gpu-1 is down',
      'Re: gpu-1 is down',
    ])
  })

  it('that are refused for good are shown, and the next one goes', async () => {
    await using server = await smtp()
    await using desk = await openDesk({ mailPort: server.port })
    server.faults.add(Fault.parse(status('RCPT', 550)))
    await desk.tell(alertOf('run-failed', 'one', 0))
    await desk.tell(alertOf('run-finished', 'two', 1))
    desk.clock.advance(40)
    await desk.work()
    expect(await desk.letters()).toMatchObject([
      { state: 'refused', said: expect.stringContaining('550'), attempts: 1 },
      { state: 'sent' },
    ])
    expect((await desk.channels.all())[0]?.broken).toBeNull()
    expect(server.mailbox.all()).toHaveLength(1)
  })

  it('stop when the sign-in is refused, and go with another one, in order', async () => {
    await using server = await smtp()
    await using desk = await openDesk({ mailPort: server.port })
    server.faults.add(Fault.parse(status('MAIL', 535)))
    await desk.tell(alertOf('run-failed', 'one', 0))
    await desk.tell(alertOf('run-finished', 'two', 1))
    desk.clock.advance(40)
    await desk.work()
    desk.clock.advance(600)
    await desk.work()
    expect(await desk.letters()).toMatchObject([{ state: 'refused' }, { state: 'waiting' }])
    expect((await desk.channels.all())[0]?.broken?.said).toContain('535')
    await desk.channels.setOwn('mail', 'ops@example.com', 'first') // the same settings: as it was
    await desk.work()
    expect(server.mailbox.all()).toEqual([])
    await desk.channels.setOwn('mail', 'ops@example.com', 'other settings')
    await desk.work()
    expect(server.mailbox.all().map(({ raw }) => readMail(raw).headers.get('subject'))).toEqual([
      'one has failed',
      'two is finished',
    ])
  })

  it('go to those who have not got them yet, and to nobody twice', async () => {
    await using server = await smtp()
    const compose = {
      voice: { language: 'en', zone: 'UTC' } as const,
      host: 'vm.example',
      recipients: ['a@example.com', 'b@example.com'],
    }
    await using desk = await openDesk({ mailPort: server.port, compose })
    server.faults.add(Fault.parse(status('RCPT', 450)))
    await desk.tell(alertOf('run-failed', 'one', 0))
    desk.clock.advance(40)
    await desk.work()
    desk.clock.advance(40)
    await desk.work()
    expect(server.mailbox.all().map(({ to }) => to)).toEqual([['b@example.com'], ['a@example.com']])
    expect(await desk.letters()).toMatchObject([{ state: 'sent' }])
  })

  it('of one look go over one connection', async () => {
    await using server = await smtp()
    await using desk = await openDesk({ mailPort: server.port })
    for (const [n, kind] of (['run-failed', 'run-finished', 'session-lost'] as const).entries())
      await desk.tell(alertOf(kind, 'one', n))
    desk.clock.advance(60)
    let greetings = 0
    const take = server.faults.take
    server.faults.take = (step) => {
      if (step === 'connect') greetings += 1
      return take(step)
    }
    await desk.work()
    expect(server.mailbox.all()).toHaveLength(3)
    expect(greetings).toBe(1)
  })
})

describe('a process that dies', () => {
  /** Sends, and dies at that moment: nothing that it does after is stored. */
  const dying = (when: 'before' | 'during' | 'after') => {
    const sent: Letter[] = []
    let alive = true
    return {
      sent,
      revive: () => {
        alive = true
      },
      /** From here on the process stores nothing. */
      kill: ({ outbox }: OpenDesk) => {
        alive = false
        const { record } = outbox
        outbox.record = async (...told) => {
          if (!alive) throw new Error('killed')
          await record(...told)
        }
      },
      sender: {
        send: async (letter: Letter): Promise<Attempt> => {
          if (!alive && when === 'before') throw new Error('killed')
          sent.push(letter)
          if (!alive && when === 'during') throw new Error('killed')
          return { kind: 'accepted', said: '250 OK' }
        },
        close: async () => undefined,
      },
    }
  }

  it.each(['before', 'during'] as const)(
    '%s sending leaves the same message to the next one',
    async (when) => {
      const way = dying(when)
      await using desk = await openDesk({ senderFor: () => way.sender })
      way.kill(desk)
      await desk.tell(alertOf('node-down', 'gpu-1', 0))
      desk.clock.advance(31)
      await desk.work()
      expect(await desk.letters()).toMatchObject([{ state: 'waiting', attempts: 0 }])
      await desk.work()
      expect(await desk.letters()).toMatchObject([{ state: 'waiting', attempts: 0 }]) // still claimed
      way.revive()
      await desk.reopen('second')
      await desk.work()
      expect(await desk.letters()).toMatchObject([{ state: 'sent' }])
      expect(new Set(way.sent.map(({ messageId }) => messageId)).size).toBe(1)
      expect(way.sent).toHaveLength(when === 'during' ? 2 : 1)
    },
  )

  it('after sending leaves it sent', async () => {
    const way = dying('after')
    await using desk = await openDesk({ senderFor: () => way.sender })
    await desk.tell(alertOf('node-down', 'gpu-1', 0))
    desk.clock.advance(31)
    await desk.work()
    await desk.reopen('second')
    await desk.work()
    expect(way.sent).toHaveLength(1)
  })

  it('while it composes leaves the alert whole: told nowhere, or in its message', async () => {
    await using desk = await openDesk()
    await desk.tell(alertOf('node-down', 'gpu-1', 0))
    desk.clock.advance(31)
    const dies = () => {
      throw new Error('killed')
    }
    await expect(desk.outbox.compose(desk.clock.now(), dies)).rejects.toThrow('killed')
    expect(await desk.db.all('select * from tellings')).toEqual([])
    await desk.reopen('second')
    await desk.work()
    expect(await desk.letters()).toMatchObject([{ state: 'sent', channel: 'inbox' }])
  })
})

describe('a channel', () => {
  it('whose way cannot be opened keeps its messages, and says why', async () => {
    let isMended = false
    await using desk = await openDesk({
      senderFor: () => {
        if (!isMended) throw new Error('/etc/ca.pem does not exist')
        return {
          send: async () => ({ kind: 'accepted', said: 'ok' }),
          close: async () => undefined,
        }
      },
    })
    await desk.tell(alertOf('run-failed', 'one', 0))
    desk.clock.advance(40)
    await desk.work()
    expect(await desk.letters()).toMatchObject([
      { state: 'waiting', attempts: 1, said: '/etc/ca.pem does not exist' },
    ])
    expect(desk.trouble).toHaveLength(1)
    isMended = true
    desk.clock.advance(20)
    await desk.work()
    expect(await desk.letters()).toMatchObject([{ state: 'sent', attempts: 2 }])
  })

  it('keeps no other waiting', async () => {
    const { promise: stuck, resolve: release } = Promise.withResolvers<void>()
    const sent: string[] = []
    await using desk = await openDesk({
      senderFor: ({ name }) => ({
        send: async () => {
          if (name === 'mail') await stuck
          sent.push(name)
          return { kind: 'accepted', said: 'ok' }
        },
        close: async () => undefined,
      }),
    })
    await desk.channels.add({
      name: 'hook',
      preset: 'generic',
      url: 'https://hooks.example/x',
      secret: null,
      shown: 'hooks.example',
      quiet: null,
      perHour: 20,
      digest: true,
    })
    await desk.tell(alertOf('node-down', 'gpu-1', 0))
    desk.clock.advance(31)
    await desk.desk().look()
    await expect.poll(() => sent).toEqual(['hook'])
    await desk.tell(alertOf('run-failed', 'one', 31))
    desk.clock.advance(31)
    await desk.desk().look()
    await expect.poll(() => sent).toEqual(['hook', 'hook'])
    release()
    await desk.desk().settled()
    expect(sent).toEqual(['hook', 'hook', 'mail'])
    await desk.work()
    expect(sent).toEqual(['hook', 'hook', 'mail', 'mail'])
  })

  it('is not told of the return of what it was not told of', async () => {
    await using desk = await openDesk()
    const silenced = alertOf('node-down', 'gpu-1', 0)
    await desk.db.run(
      `insert into alerts values ($1, $2, $3, $4, $4, $5, '{}', 'silenced')`,
      silenced.id,
      silenced.kind,
      silenced.about,
      silenced.at.toISOString(),
      silenced.thread,
    )
    await desk.tell(alertOf('node-recovered', 'gpu-1', 60))
    desk.clock.advance(200)
    await desk.work()
    expect(await desk.letters()).toEqual([])
    expect(await desk.outbox.hasWork(desk.clock.now())).toEqual({ compose: false, deliver: false })
  })

  it('that is removed is told nothing more, and what it was not sent is on record', async () => {
    await using desk = await openDesk({
      senderFor: () => ({
        send: async () => ({ kind: 'later', said: 'no' }),
        close: async () => undefined,
      }),
    })
    await desk.tell(alertOf('run-failed', 'one', 0))
    desk.clock.advance(40)
    await desk.work()
    await desk.tell(alertOf('run-failed', 'two', 40))
    desk.clock.advance(40)
    await desk.work()
    await desk.channels.setOwn('inbox', 'kept here', 'inbox')
    await desk.work()
    expect(await desk.letters()).toMatchObject([
      { channel: 'mail', state: 'parked', said: 'the channel was removed' },
    ])
    expect((await desk.channels.all()).map(({ name }) => name)).toEqual(['inbox'])
  })

  it('keeps the words of its newest two hundred messages', async () => {
    await using desk = await openDesk()
    await desk.channels.change('inbox', { perHour: 1000 })
    for (let n = 0; n < 203; n += 1) {
      await desk.tell(alertOf('action-needed', `run-${n}`, n))
      desk.clock.advance(1)
      await desk.work()
    }
    const kept = await desk.db.all("select 1 as one from envelopes where body != ''")
    expect(kept).toHaveLength(200)
    expect(await desk.letters()).toHaveLength(203)
  })
})
