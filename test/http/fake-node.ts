import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { sha256Hex } from '../../src/lib/random.ts'
import { insertAccount } from '../../src/store/account-rows.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { insertRun } from '../../src/store/run-rows.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { markLaunching, markStarted, planSession } from '../store/by-hand.ts'
import { accountOf, HOUR, plannedOf } from '../store/fixture.ts'
import { policyOf } from '../store/policy-fixture.ts'
import type { RunningService } from './service.ts'

export const key = 'rzk_the-key-to-the-nodes-of-nights'
const keySha256 = sha256Hex(key)

/** A serving policy `nights` and a training `days` in the books of a running service, each with sessions that hold a token. */
export async function bookNodes({ folder, importRows, call }: RunningService) {
  await importRows('rows', 3)
  await call('/v1/runs', { json: { dataset: 'rows', steps: 5, name: 'days' } })
  const db = openSqlite(`${folder}/rodizio.db`)
  const now = () => new Date()
  const account = accountOf('ana', { serves: true })
  await insertAccount(db, account, now().toISOString())
  const policy = policyOf('nights')
  await insertRun(db, { ...policy, plan: { ...policy.plan, keySha256 } })
  const store = rotationStore(db, now)
  /** The token of a new session. */
  const begin = async (name: string): Promise<string> => {
    const run = await reads(db).run(name)
    if (!run) throw new Error(`no ${name}`)
    const plan = plannedOf(run, account, now(), HOUR)
    await planSession(store, plan)
    await markLaunching(store, plan.id, sha256Hex(`rzt_${plan.id}`))
    await markStarted(store, plan.id, plan.name)
    const token = `rzs_${plan.id}`
    await db.run(
      "update sessions set token_hash = $1, state = 'running' where id = $2",
      sha256Hex(token),
      plan.id,
    )
    return token
  }
  return {
    begin,
    /** Makes the policy one whose nodes are reached so. */
    reach: (reach: string) =>
      db.run("update runs set plan = json_set(plan, '$.reach', $1) where name = 'nights'", reach),
    end: (token: string) =>
      db.run(
        "update sessions set ended_at = $1, state = 'ended', outcome = 'lost' where token_hash = $2",
        now().toISOString(),
        sha256Hex(token),
      ),
    [Symbol.asyncDispose]: () => db.close(),
  }
}

export interface Taken {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** The notebook's side of the relay, by hand. */
export function fakeNode(url: string, token: string) {
  const authorization = `Bearer ${token}`
  const poll = (words: object = {}, signal?: AbortSignal) =>
    fetch(`${url}/v1/relay/take`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ ready: true, keySha256, waitSeconds: 5, ...words }),
      ...(signal ? { signal } : {}),
    })
  return {
    poll,
    /** The one request that is waiting, or comes soon. */
    async take(): Promise<Taken> {
      const response = await poll({ most: 1 })
      if (response.status !== 200) throw new Error(`the poll was answered ${response.status}`)
      const { requests } = (await response.json()) as { requests: Taken[] }
      const [first] = requests
      if (!first || requests.length > 1) throw new Error(`${requests.length} requests came`)
      return first
    },
    /** An answer that is begun and goes on by hand. */
    answer: (id: string) => upload(`${url}/v1/relay/answers/${id}`, authorization),
  }
}

function upload(url: string, authorization: string) {
  const sent: ClientRequest = request(url, {
    method: 'POST',
    agent: false,
    headers: { authorization, 'transfer-encoding': 'chunked' },
  })
  sent.setNoDelay(true)
  sent.flushHeaders()
  const said = (async () => {
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    let text = ''
    for await (const piece of response) text += String(piece)
    return {
      status: response.statusCode,
      code: text && (JSON.parse(text) as { code: string }).code,
    }
  })()
  said.catch(() => undefined) // the connection may be ended by either side
  sent.on('error', () => undefined)
  return {
    sent,
    /** What the service has to say of it, once it says something. */
    said,
    head(status = 200, headers: object = { 'content-type': 'application/json' }) {
      sent.write(`${JSON.stringify({ status, headers })}\n`)
    },
    write: (text: string | Buffer) => sent.write(text),
    end(text = '') {
      sent.end(text)
      return said
    },
    breakOff: () => sent.destroy(),
  }
}
