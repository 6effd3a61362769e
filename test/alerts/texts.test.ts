import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Alert, AlertKind } from '../../src/alerts/alert.ts'
import { digestFacts } from '../../src/alerts/digest.ts'
import { messageOfAlerts, trialMessage } from '../../src/alerts/texts/message.ts'
import { webhookBody } from '../../src/alerts/webhook-body.ts'
import { AlertKind as Kinds } from '../../src/api/alert-schemas.ts'
import { startSmtpEmulator } from '../../src/emulators/smtp/server.ts'
import { start } from '../store/fixture.ts'
import { alertOf, openDesk } from './desk-fixture.ts'

const voice = { language: 'en', zone: 'UTC' } as const
const say = (alerts: readonly Alert[], language: 'en' | 'pt' = 'en', zone = 'UTC') =>
  messageOfAlerts(alerts, false, { language, zone })

describe('a message', () => {
  it('begins with the name of its node, and says since when, why and what was done', () => {
    const facts = {
      words: 'the tunnel is gone (ERR_NGROK_3200)',
      from: '2026-07-10T12:00:00Z',
      url: 'https://a.ngrok-free.app',
      consequence: 'replace',
    }
    const { subject, text } = say(
      [alertOf('node-down', 'gpu-1', 0, { facts })],
      'en',
      'Europe/Lisbon',
    )
    expect(subject).toBe('gpu-1 is down')
    expect(text).toContain('Likely cause: the tunnel is gone (ERR_NGROK_3200)')
    expect(text).toContain('Since Fri, 10 Jul 2026, 13:00 (12:00 UTC)')
    expect(text).toContain('Address: https://a.ngrok-free.app')
    expect(text).toContain('A replacement is being started.')
  })

  it('says the same in Portuguese', () => {
    const facts = { downSeconds: 3725, words: 'sem resposta' }
    const { subject, text, html } = say([alertOf('node-recovered', 'gpu-1', 0, { facts })], 'pt')
    expect(subject).toBe('gpu-1 voltou')
    expect(text).toContain('Esteve fora do ar por 1 h 2 min.')
    expect(html).toContain('lang="pt-BR"')
  })

  it('of many names the first three, and counts the rest', () => {
    const alerts = Array.from({ length: 30 }, (_, n) => alertOf('node-down', `gpu-${n}`, n))
    expect(say(alerts).subject).toBe('30 nodes are down: gpu-0, gpu-1, gpu-2 and 27 more')
    expect(say(alerts, 'pt').subject).toBe('30 nós estão fora do ar: gpu-0, gpu-1, gpu-2 e mais 27')
    expect(say(alerts.slice(0, 2)).subject).toBe('2 nodes are down: gpu-0, gpu-1')
    for (const { about } of alerts) expect(say(alerts).text).toContain(`${about} is down`)
  })

  it('of all nodes of a tunnel account names the account, and only then', () => {
    const facts = { account: 'ngrok', accountNodes: 3 }
    const all = [0, 1, 2].map((n) => alertOf('node-down', `gpu-${n}`, n, { facts }))
    const { subject, text } = say(all)
    expect(subject).toBe('Tunnel account ngrok: all its 3 nodes are down: gpu-0, gpu-1, gpu-2')
    expect(text).toContain('All 3 nodes of tunnel account ngrok fell together')
    expect(say(all, 'pt').subject).toMatch(/^Conta de túnel ngrok: os 3 nós dela estão fora do ar/)
    expect(say(all.slice(1)).subject).toBe('2 nodes are down: gpu-1, gpu-2')
    const other = alertOf('node-down', 'lab', 3)
    expect(say([...all.slice(1), other]).subject).toBe('3 nodes are down: gpu-1, gpu-2, lab')
  })

  it.each([
    [1, 'One node depends on it: while it is down, nothing is told of that one.'],
    [4, '4 nodes depend on it: while it is down, nothing is told of those.'],
  ])('of a node that %i depend on says so', (below, words) => {
    expect(say([alertOf('node-down', 'router', 0, { facts: { below } })]).text).toContain(words)
    expect(say([alertOf('node-down', 'router', 0)]).text).not.toContain('depend')
  })

  it('gives the link of a person’s task as a button, and never one that is no web address', () => {
    const link = 'https://colab.research.google.com/drive/1?authuser=0&x="y"'
    const ask = (url: string) =>
      say([alertOf('action-needed', 'run', 0, { facts: { link: url, owner: 'Ana' } })])
    expect(ask('https://colab.research.google.com/drive/1?a=1&b=2').html).toContain(
      '<a href="https://colab.research.google.com/drive/1?a=1&amp;b=2"',
    )
    for (const bad of ['javascript:alert(1)', link, 'data:text/html,x', 'https://a b'])
      expect(ask(bad).html).not.toContain('<a ')
  })

  it.each(Kinds.options)('%s is told in both languages, whatever facts are missing', (kind) => {
    for (const language of ['en', 'pt'] as const) {
      const bare = say([alertOf(kind, 'name-1', 0, { facts: {} })], language)
      const pair = [alertOf(kind, 'name-1', 0), alertOf(kind, 'name-2', 1)]
      const both = say(pair, language)
      for (const { subject, text, html } of [bare, both]) {
        expect(subject).not.toMatch(/undefined|null|NaN|\[object/)
        expect(text).not.toMatch(/undefined|null|NaN|\[object/)
        expect(html).not.toMatch(/undefined|NaN|\[object/)
        expect(subject.length).toBeLessThanOrEqual(150)
      }
      if (kind !== 'own-network') expect(bare.text).toContain('name-1')
      expect(both.subject).toContain('2')
    }
  })

  it('of a day tells nodes, hours, steps and what could not be delivered', () => {
    const facts = digestFacts({
      nodes: [{ name: 'gpu-1', state: 'down', uptime: 0.9876 }],
      gpuHours: 5.25,
      steps: 1200,
      sessions: 3,
      undelivered: 2,
    })
    const alert = alertOf('digest', '2026-03-10', 0, { facts })
    expect(say([alert]).text).toContain('gpu-1: down, 98.76 % up since yesterday')
    expect(say([alert]).text).toContain('Training steps since yesterday: 1,200')
    expect(say([alert]).text).toContain('2 messages could not be delivered')
    expect(say([alert], 'pt').text).toContain('gpu-1: fora do ar, 98,76 % no ar desde ontem')
    const broken = alertOf('digest', '2026-03-10', 0, { facts: { nodes: '{' } })
    expect(say([broken]).subject).toBe('Rodízio: 2026-03-10')
  })
})

const evil = [
  'a\r\nBcc: everybody@example.com',
  'a\nSubject: other',
  '<img src=x onerror=alert(1)>',
  '"quoted" \'name\' \\',
  'abc\u202etxt.exe\u2066',
  'nul\u0000l\u001b[2J',
  'Ação, nó № 1 🚀'.repeat(20),
  '=?UTF-8?B?Ym9n?=',
  '\u2028line\u2029s',
]

describe('names that mean no good', () => {
  it.each(evil)('stay one line of text, and no markup: %j', (name) => {
    const facts = { words: name, url: name, link: name, consequence: name, owner: name }
    for (const kind of ['node-down', 'action-needed', 'run-failed'] as AlertKind[]) {
      const { subject, text, html } = say([alertOf(kind, name, 0, { facts })])
      expect(subject).not.toMatch(/[\r\n\p{Cc}\p{Cf}]/u)
      expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
      expect(html).not.toContain('<img')
      expect(html).not.toMatch(/\sonerror=[^&]*alert\(1\)>/)
      expect(html.match(/<[a-z!/]/g)?.length).toBe(
        say([
          alertOf(kind, 'x', 0, {
            facts: { ...facts, words: 'x', url: 'x', link: 'x', owner: 'x', consequence: 'x' },
          }),
        ]).html.match(/<[a-z!/]/g)?.length,
      )
    }
  })

  it('reach the mailbox as they were written, and in no other header', async () => {
    await using server = await startSmtpEmulator({ now: () => new Date(start) })
    await using desk = await openDesk({ mailPort: server.port })
    for (const [n, name] of evil.entries()) {
      const facts = { words: name, from: start }
      await desk.tell(alertOf(n % 2 ? 'run-failed' : 'node-down', name, n, { facts }))
    }
    desk.clock.advance(60)
    await desk.work()
    expect(server.mailbox.all()).toHaveLength(evil.length)
    const script = fileURLToPath(new URL('read_mail.py', import.meta.url))
    const mails = server.mailbox.all()
    const child = promisify(execFile)('python3', [script])
    child.child.stdin?.end(JSON.stringify(mails.map(({ raw }) => raw)))
    const parsed = JSON.parse((await child).stdout) as Record<string, unknown>[]
    for (const [n, { raw, to, from }] of mails.entries()) {
      expect(to).toEqual(['ops@example.com'])
      expect(from).toBe('rodizio@vm.example')
      const read = parsed[n] ?? {}
      const told = evil[n] ?? ''
      const kind = n % 2 ? 'run-failed' : 'node-down'
      const wanted = say([alertOf(kind, told, n, { facts: { words: told, from: start } })])
      expect(read).toMatchObject({
        subject: wanted.subject,
        to: ['ops@example.com'],
        bcc: null,
        types: ['multipart/alternative', 'text/plain', 'text/html'],
        defects: [],
      })
      expect(String(read.text).replaceAll('\r\n', '\n').trimEnd()).toBe(wanted.text.trimEnd())
      expect(String(read.html).replaceAll('\r\n', '\n').trimEnd()).toBe(wanted.html.trimEnd())
      for (const line of raw.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998)
    }
  })
})

describe('a webhook’s message', () => {
  const sent = (name: string) => ({
    ...say([alertOf('node-down', name, 0)]),
    id: 'env',
    kind: 'node-down' as const,
    alerts: [alertOf('node-down', name, 0)],
    at: new Date(start),
  })

  it('has the form that its receiver wants', () => {
    expect(JSON.parse(webhookBody('generic', sent('gpu-1')).body)).toMatchObject({
      id: 'env',
      kind: 'node-down',
      subject: 'gpu-1 is down',
      createdAt: start,
      alerts: [{ about: 'gpu-1', kind: 'node-down', thread: 'incident gpu-1' }],
    })
    const discord = JSON.parse(webhookBody('discord', sent('@everyone')).body)
    expect(discord).toMatchObject({ allowed_mentions: { parse: [] } })
    expect(discord.content).toContain('@everyone is down')
    expect(JSON.parse(webhookBody('slack', sent('<!channel>')).body).text).toContain(
      '&lt;!channel&gt;',
    )
    expect(webhookBody('ntfy', sent('nó 1')).headers).toMatchObject({
      title: `=?UTF-8?B?${Buffer.from('nó 1 is down').toString('base64')}?=`,
      priority: 'high',
      tags: 'rotating_light',
    })
  })

  it('is cut to what its receiver takes, never within a character', () => {
    const long = { ...sent('x'), text: '🚀'.repeat(5000) }
    for (const [preset, field, most] of [
      ['discord', 'content', 2000],
      ['telegram', 'text', 4096],
    ] as const) {
      const text = String(JSON.parse(webhookBody(preset, long).body)[field])
      expect(text.length).toBeLessThanOrEqual(most)
      expect(text.length).toBeGreaterThan(most - 3)
      expect(text).toMatch(/^(🚀)+…$/u)
    }
  })
})

it('a trial says that it is one', () => {
  expect(trialMessage(voice).subject).toBe('Rodízio: a trial message')
  expect(trialMessage({ ...voice, language: 'pt' }).text).toContain('rodizio alerts test')
})
