import { join } from 'node:path'
import { adapterBook } from '../../src/control/adapter-book.ts'
import type { BaseDesk } from '../../src/control/base-desk.ts'
import { checkpointBook } from '../../src/control/checkpoint-book.ts'
import { oneTimeUrls } from '../../src/control/one-time-urls.ts'
import { sessionDesk } from '../../src/control/session-desk.ts'
import { uploadDesk } from '../../src/control/upload-desk.ts'
import { AppError } from '../../src/lib/errors.ts'
import { sha256Hex } from '../../src/lib/random.ts'
import type { Account } from '../../src/rotation/account.ts'
import type { Report } from '../../src/rotation/session-gate.ts'
import { checkpointRows } from '../../src/store/checkpoint-rows.ts'
import { folderArtifacts } from '../../src/store/folder-artifacts.ts'
import { readProgress } from '../../src/store/load-state.ts'
import { reads } from '../../src/store/reads.ts'
import { rotationStore } from '../../src/store/rotation-store.ts'
import { sessionGate } from '../../src/store/session-gate.ts'
import { settableClock } from '../settable-clock.ts'
import { endSession, markLaunching, markStarted, planSession } from '../store/by-hand.ts'
import {
  accountOf,
  endOf,
  freshDatabase,
  HOUR,
  plannedOf,
  runOf,
  seed,
  start,
} from '../store/fixture.ts'

export const body = Buffer.from('weights of a small model')
export const file = { name: 'weights.bin', bytes: body.length, sha256: sha256Hex(body) }
export const nonce = 'nonce-of-this-process'

export async function* stream(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

export const reportOf = (
  outcome: Report['outcome'],
  step: number,
  changes: Partial<Report> = {},
): Report => ({ outcome, step, failure: null, logTail: '', ...changes })

/** The session protocol's desks over a real store and a real folder, with one run and two accounts. */
export async function deskWorld(
  ofAccounts: Partial<Account> = {},
  bases: BaseDesk['order'] = async () => null,
) {
  const fresh = await freshDatabase()
  const { db } = fresh
  const clock = settableClock(start)
  const now = () => clock.now()
  const accounts = [accountOf('ana', ofAccounts), accountOf('bia', ofAccounts)]
  await seed(db, accounts, [runOf('one'), runOf('two')])
  const store = rotationStore(db, now)
  const gate = sessionGate(db, now)
  const look = reads(db)
  const root = join(fresh.folder, 'store')
  const artifacts = folderArtifacts(root)
  const checkpoints = checkpointBook(checkpointRows(db, now), artifacts)
  const urls = oneTimeUrls({
    gate,
    artifacts,
    readData: (version, name) => stream(`${version} ${name}`),
    baseUrl: () => 'http://127.0.0.1:1',
  })
  const adapters = adapterBook(look.artifactWith, artifacts)
  const desk = sessionDesk({
    gate,
    checkpoints,
    adapters,
    bases: { order: bases },
    ways: urls,
    dataWays: urls,
    now,
    dataFiles: async (version) => [
      { name: 'train.jsonl', path: `data/${version}/train.jsonl`, rows: 1, bytes: 18, sha256: 'x' },
    ],
  })
  /** How many more uploads find the store full, and how many bytes had no room in the end. */
  const room = { refusals: 0, missing: [] as number[] }
  const uploads = uploadDesk({
    gate,
    desk,
    artifacts,
    checkpoints,
    ways: {
      ...urls,
      uploads: async (session, files) => {
        if (files.length > 0 && room.refusals > 0) {
          room.refusals -= 1
          throw new AppError('disk-full', 'no room', { code: 'drive_full' })
        }
        return urls.uploads(session, files)
      },
    },
    full: (bytes) => room.missing.push(bytes),
  })

  /** A session of the run that has been launched with its ticket, the next generation on the next account. */
  async function launched(name = 'one') {
    const run = await look.run(name)
    const account = accounts[(run?.generation ?? 0) % 2]
    if (!run || !account) throw new Error('no run')
    const plan = plannedOf(run, account, now(), HOUR, {
      fromStep: (await readProgress(db, run.id)).furthestStep,
    })
    if (!(await planSession(store, plan))) throw new Error('not planned')
    const ticket = `rzt_${plan.id}`
    await markLaunching(store, plan.id, sha256Hex(ticket))
    await markStarted(store, plan.id, plan.name)
    return { id: plan.id, runId: run.id, generation: plan.generation, ticket }
  }

  /** A session that has enrolled, with its token and its work order. */
  async function enrolled(name = 'one') {
    const session = await launched(name)
    const answer = await desk.enrol(session.ticket, nonce)
    return { ...session, token: answer.sessionToken, workOrder: answer.workOrder }
  }
  type Enrolled = Awaited<ReturnType<typeof enrolled>>

  const manifestOf = (session: Enrolled, step: number, changes: object = {}) => {
    const text = `${JSON.stringify({
      format: 1,
      kind: 'checkpoint',
      run: session.runId,
      session: session.id,
      generation: session.generation,
      step,
      targetSteps: 100,
      epoch: 0.5,
      engine: 'dry',
      label: 'dry',
      plan: session.workOrder.plan,
      env: {},
      metrics: { loss: 1.5 },
      files: [file],
      ...changes,
    })}\n`
    return { text, sha256: sha256Hex(text) }
  }

  /** Sends and commits a whole checkpoint or artifact, as a notebook does. */
  async function commit(
    session: Enrolled,
    step: number,
    kind: 'checkpoint' | 'artifact' = 'checkpoint',
  ) {
    const opened = await uploads.open(session.token, kind, step, [file])
    for (const { url } of opened.files) if (url) await urls.receive(secretOf(url), stream(body))
    const { text, sha256 } = manifestOf(session, step, { kind })
    return uploads.commit(session.token, opened.uploadId, text, sha256)
  }

  return {
    room,
    db,
    root,
    clock,
    store,
    gate,
    look,
    artifacts,
    adapters,
    checkpoints,
    urls,
    desk,
    uploads,
    launched,
    enrolled,
    commit,
    manifestOf,
    lose: (id: string) => endSession(store, id, endOf('lost')),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  }
}

export const secretOf = (url: string): string => url.split('/').at(-1) ?? ''
