import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startSmtpEmulator } from '../../src/emulators/smtp/server.ts'
import { freePort, makePlace, until } from './service.ts'

const count = 30
const names = Array.from({ length: count }, (_, index) => `node-${String(index).padStart(2, '0')}`)
const health = JSON.stringify({ status: 'ok', model: 'tiny' })

/** One server that stands for all nodes, each under a path of its own. */
let isUp = true
let target: Server
let targetPort = 0

beforeAll(async () => {
  target = createServer((_request, response) => {
    response.writeHead(isUp ? 200 : 503, { 'content-type': 'application/json' })
    response.end(isUp ? health : '{"status":"failing"}')
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const address = target.address()
  targetPort = typeof address === 'object' && address ? address.port : 0
})

afterAll(() => target.close())

interface ParsedMail {
  readonly subject: string
  readonly id: string
  readonly inReplyTo: string | null
  readonly references: readonly string[]
  readonly text: string
}

/** As a mail program reads it: by Python's own parser. */
function parsed(raw: string): ParsedMail {
  const program = `
import email, email.policy, json, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
print(json.dumps({
    'subject': str(mail['subject']), 'id': str(mail['message-id']),
    'inReplyTo': str(mail['in-reply-to']) if mail['in-reply-to'] else None,
    'references': str(mail['references'] or '').split(),
    'text': mail.get_body(('plain',)).get_content(),
}))`
  return JSON.parse(
    execFileSync('python3', ['-c', program], { input: raw, encoding: 'utf8' }),
  ) as ParsedMail
}

it('30 nodes that die together while the mail server is down are told in at most three mails, across a kill -9', async () => {
  isUp = true
  const mailPort = await freePort()
  await using place = await makePlace({
    RODIZIO_EMULATORS: 'off',
    RODIZIO_ALLOW_PRIVATE: '127.0.0.1',
    RODIZIO_SMTP_URL: `smtp://127.0.0.1:${mailPort}`,
    RODIZIO_MAIL_TO: 'ana@example.com',
    RODIZIO_MAIL_FROM: 'rodizio@example.com',
    RODIZIO_SETTLE_SECONDS: '20',
    RODIZIO_DIGEST: 'off',
  })
  await place.start()
  const client = place.client()
  for (const name of names) {
    await client.addNode({
      name,
      url: `http://127.0.0.1:${targetPort}/${name}/health`,
      intervalSeconds: 10,
    })
  }
  const states = async () => (await client.nodes()).map(({ state }) => state)
  await until('all nodes to be up', async () => (await states()).every((state) => state === 'up'))

  isUp = false
  await until('all nodes to be down', async () =>
    (await states()).every((state) => state === 'down'),
  )
  // A first message is on its way by now, or is about to be: die with it.
  await delay(500)
  await place.kill()
  await place.start()
  await using mail = await startSmtpEmulator({ port: mailPort, now: () => new Date() })
  const mails = () => mail.mailbox.all().map(({ raw }) => parsed(raw))
  const told = (of: readonly ParsedMail[]) =>
    names.filter((name) => of.some(({ text }) => text.includes(name)))
  await until('all outages to be told', async () => told(mails()).length === count, 180_000)
  const downs = mails()
  expect(new Set(downs.map(({ id }) => id)).size).toBeLessThanOrEqual(3)
  for (const { subject } of downs) expect(subject).toMatch(/down/i)

  isUp = true
  await until('all nodes to be back', async () => (await states()).every((state) => state === 'up'))
  const backs = () => mails().slice(downs.length)
  await until('all recoveries to be told', async () => told(backs()).length === count, 240_000)
  const ids = new Set(downs.map(({ id }) => id))
  for (const back of backs()) {
    expect(back.inReplyTo).not.toBeNull()
    expect(ids.has(back.inReplyTo ?? '')).toBe(true)
    expect(back.references.every((id) => ids.has(id))).toBe(true)
  }
  // Each node is told to be down in one message alone, by whatever number of deliveries.
  for (const name of names) {
    const of = downs.filter(({ text }) => text.includes(name)).map(({ id }) => id)
    expect(new Set(of).size).toBe(1)
  }
  const closed = await client.incidents({ open: true, most: 100 })
  expect(closed).toEqual([])
}, 600_000)
