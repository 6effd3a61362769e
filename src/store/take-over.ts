import { AppError } from '../lib/errors.ts'
import type { Run } from '../rotation/run.ts'
import type { Session } from '../rotation/session.ts'
import { readAccount } from './account-rows.ts'
import { number, type Queries, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { about, furthestStep } from './rotation-store.ts'

/**
 * Lets another process go on with a session whose ticket was used: *Run all* was pressed twice, or the runtime was started
 * again. The session and its run move on by one generation together, so that nothing which the process before it still sends
 * counts; its token goes with the row, its transfer URLs are spent here. Name, booking and deadline stay those of the launch.
 * @throws AppError `conflict`: `ticket_used` where no person starts sessions, `fenced` for a process that was itself replaced
 */
export async function takeOver(
  tx: Queries,
  session: Session,
  run: Run,
  nonces: { readonly held: string; readonly wanted: string },
  at: string,
): Promise<void> {
  const account = await readAccount(tx, session.account)
  if (account?.automation !== 'person') {
    throw new AppError('conflict', 'this ticket has been used already', {
      code: 'ticket_used',
      next: 'Each notebook runs once; the next session brings a notebook of its own',
    })
  }
  const spent = await tx.first(
    'select generation from spent_nonces where nonce_hash = $1',
    nonces.wanted,
  )
  if (spent) {
    const why = `generation ${session.generation} took the place of ${number(spent, 'generation')}`
    throw new AppError('conflict', `this session may not write any more: ${why}`, {
      code: 'fenced',
      next: 'End it; the session goes on in another runtime',
    })
  }
  const generation = run.generation + 1
  const step = await furthestStep(tx, run.id)
  await tx.run(
    'insert into spent_nonces (nonce_hash, session_id, generation, spent_at) values ($1, $2, $3, $4)',
    nonces.held,
    session.id,
    session.generation,
    at,
  )
  await tx.run('update runs set generation = $1 where id = $2', generation, run.id)
  await tx.run(
    'update sessions set generation = $1, to_step = $2 where id = $3',
    generation,
    Math.max(step, session.fromStep),
    session.id,
  )
  await tx.run(
    'update transfers set spent_at = $1 where session_id = $2 and spent_at is null',
    at,
    session.id,
  )
  const data = {
    ...about({ ...session, generation }),
    run: run.name,
    before: session.generation,
    step,
    lostSteps: Math.max(0, session.toStep - step),
  }
  const ref = { runId: run.id, sessionId: session.id }
  await insertEvent(tx, { kind: 'session.taken_over', ...ref, data }, at)
}

/** The id under which an upload of that kind and step goes on; one that an older generation began is forgotten. */
export async function knownUpload(
  tx: Queries,
  upload: {
    readonly sessionId: string
    readonly kind: string
    readonly step: number
    readonly generation: number
  },
): Promise<string | undefined> {
  const known = await tx.first(
    'select id, generation from uploads where session_id = $1 and kind = $2 and step = $3',
    upload.sessionId,
    upload.kind,
    upload.step,
  )
  if (!known) return undefined
  const id = text(known, 'id')
  if (number(known, 'generation') === upload.generation) return id
  await tx.run('delete from uploads where id = $1', id)
  return undefined
}
