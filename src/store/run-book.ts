import { asTraining } from '../control/run-or-policy.ts'
import { AppError } from '../lib/errors.ts'
import { sha256Hex } from '../lib/random.ts'
import type { Run } from '../rotation/run.ts'
import { isOpen } from '../rotation/run.ts'
import { beginRun } from './begin-run.ts'
import { type Database, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { readRun } from './run-rows.ts'
import { readOpenSessions } from './session-rows.ts'

/** Runs as people begin and stop them. */
export function runBook(db: Database, now: () => Date) {
  const going = new Map<string, Promise<unknown>>()
  return {
    insertRun: (run: Run) => db.transaction((tx) => beginRun(tx, run, now().toISOString())),
    /**
     * Notes that the run shall stop. Asking twice changes nothing.
     * @throws AppError `not-found` (`run_unknown`, `run_is_policy`), `conflict` (`run_over`)
     */
    askStop: (idOrName: string) =>
      db.transaction(async (tx) => {
        const run = asTraining(await readRun(tx, idOrName), idOrName)
        if (!isOpen(run)) {
          throw new AppError(
            'conflict',
            `run ${run.name} is ${run.state}: there is nothing to stop`,
            {
              code: 'run_over',
              next: `Look at it with: rodizio train show ${run.name}`,
            },
          )
        }
        const session = (await readOpenSessions(tx)).find(({ runId }) => runId === run.id)
        if (!run.stopAsked) {
          await tx.run("update runs set stop_asked = 1, state = 'stopping' where id = $1", run.id)
          const event = { kind: 'run.stop_asked' as const, runId: run.id, data: { run: run.name } }
          await insertEvent(tx, event, now().toISOString())
        }
        return { run: { ...run, state: 'stopping' as const }, session }
      }),
    /**
     * Gives an open run another priority; the next look plans by it. The same one again changes nothing.
     * @throws AppError `not-found` (`run_unknown`, `run_is_policy`), `conflict` (`run_over`)
     */
    setPriority: (idOrName: string, priority: number) =>
      db.transaction(async (tx) => {
        const run = asTraining(await readRun(tx, idOrName), idOrName)
        if (!isOpen(run)) {
          throw new AppError(
            'conflict',
            `run ${run.name} is ${run.state}: nothing of it is planned any more`,
            { code: 'run_over', next: `Look at it with: rodizio train show ${run.name}` },
          )
        }
        if (run.priority === priority) return run
        await tx.run('update runs set priority = $1 where id = $2', priority, run.id)
        const data = { run: run.name, priority, before: run.priority }
        const event = { kind: 'run.priority_set' as const, runId: run.id, data }
        await insertEvent(tx, event, now().toISOString())
        return { ...run, priority }
      }),
    /**
     * Does `work` once for a key: the same request again gets the stored answer.
     * @throws AppError `conflict` (`idempotency_key_reused`) when the key stands for another request
     */
    async once(key: string, request: string, work: () => Promise<string>): Promise<string> {
      // One after the other for each key: the same request may arrive again while the first is under way.
      const before = going.get(key) ?? Promise.resolve()
      const mine = before.catch(() => undefined).then(() => answer(key, request, work))
      going.set(key, mine)
      try {
        return await mine
      } finally {
        if (going.get(key) === mine) going.delete(key)
      }
    },
  }

  async function answer(
    key: string,
    request: string,
    work: () => Promise<string>,
  ): Promise<string> {
    const hash = sha256Hex(request)
    const known = await db.first('select * from idempotency_keys where key = $1', key)
    if (known && text(known, 'request') !== hash) {
      throw new AppError('conflict', 'this Idempotency-Key was used for another request', {
        code: 'idempotency_key_reused',
        next: 'Send a new key with a new request',
      })
    }
    if (known) return text(known, 'response')
    const response = await work()
    await db.run(
      'insert into idempotency_keys values ($1, $2, $3, $4) on conflict (key) do nothing',
      key,
      hash,
      response,
      now().toISOString(),
    )
    return response
  }
}

export type RunBook = ReturnType<typeof runBook>
