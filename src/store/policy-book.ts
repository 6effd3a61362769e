import { asPolicy, type Policy } from '../control/run-or-policy.ts'
import type { PolicyPorts } from '../control/serving-policies.ts'
import { AppError } from '../lib/errors.ts'
import { ServePlan } from '../notebooks/serve-plan.ts'
import { isOpen } from '../rotation/run.ts'
import { windowWords } from '../rotation/serving-windows.ts'
import type { Session } from '../rotation/session.ts'
import { refuseTaken } from './begin-run.ts'
import type { Database } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { refuseTakenByNode } from './node-rows.ts'
import { refuseWhatGoes } from './removal-rows.ts'
import { insertRun, readRun } from './run-rows.ts'
import { readOpenSessions } from './session-rows.ts'

export interface PolicyBook extends Pick<PolicyPorts, 'insert' | 'change'> {
  /**
   * Notes that the policy shall stop, and stops it at once where no session of it lives. Asking twice changes nothing.
   * @returns the sessions that still have to end
   * @throws AppError `not-found` (`policy_unknown`), `conflict` (`policy_over`)
   */
  askStop(idOrName: string): Promise<{ policy: Policy; live: readonly Session[] }>
}

/** Serving policies as people add, change and stop them. */
export function policyBook(db: Database, now: () => Date): PolicyBook {
  return {
    insert: (policy) =>
      db.transaction(async (tx) => {
        await refuseTaken(tx, policy.name)
        await refuseTakenByNode(tx, policy.name, 'static')
        await refuseWhatGoes(tx, policy)
        await insertRun(tx, policy)
        const { base, adapter, reach } = policy.plan
        const windows = windowWords(policy.serving.windows)
        const data = { policy: policy.name, adapter, base, reach, windows }
        const event = { kind: 'policy.added' as const, runId: policy.id, data }
        await insertEvent(tx, event, now().toISOString())
      }),
    change: (idOrName, change) =>
      db.transaction(async (tx) => {
        const before = asPolicy(await readRun(tx, idOrName), idOrName)
        if (!isOpen(before) || before.stopAsked) throw over(before, 'nothing of it can be changed')
        const policy: Policy = {
          ...before,
          plan: ServePlan.parse({ ...before.plan, ...change.plan }),
          serving: { ...before.serving, windows: change.windows ?? before.serving.windows },
          priority: change.priority ?? before.priority,
        }
        const changed = differences(before, policy)
        if (Object.keys(changed).length === 0) return before
        if (changed.adapter !== undefined) await refuseWhatGoes(tx, policy)
        await tx.run(
          'update runs set plan = $1, serving = $2, priority = $3 where id = $4',
          JSON.stringify(policy.plan),
          JSON.stringify(policy.serving),
          policy.priority,
          policy.id,
        )
        const data = { policy: policy.name, ...changed }
        const event = { kind: 'policy.changed' as const, runId: policy.id, data }
        await insertEvent(tx, event, now().toISOString())
        return policy
      }),
    askStop: (idOrName) =>
      db.transaction(async (tx) => {
        const policy = asPolicy(await readRun(tx, idOrName), idOrName)
        if (!isOpen(policy)) throw over(policy, 'there is nothing to stop')
        const at = now()
        const live = (await readOpenSessions(tx)).filter(({ runId }) => runId === policy.id)
        const { id: runId, name } = policy
        if (!policy.stopAsked) {
          await tx.run(
            "update runs set stop_asked = 1, state = 'stopping', waiting = null where id = $1",
            runId,
          )
          const event = { kind: 'policy.stop_asked' as const, runId, data: { policy: name } }
          await insertEvent(tx, event, at.toISOString())
        }
        const asked = { ...policy, stopAsked: true, waiting: null }
        if (live.length > 0) return { policy: { ...asked, state: 'stopping' }, live }
        await tx.run(
          "update runs set state = 'stopped', ended_at = $1 where id = $2",
          iso(at),
          runId,
        )
        const event = { kind: 'policy.stopped' as const, runId, data: { policy: name } }
        await insertEvent(tx, event, at.toISOString())
        return { policy: { ...asked, state: 'stopped', endedAt: at }, live }
      }),
  }
}

const iso = (at: Date): string => at.toISOString()

/** What of a policy is another, as its event tells it. */
function differences(before: Policy, after: Policy): Readonly<Record<string, unknown>> {
  const changed: Record<string, unknown> = {}
  if (before.plan.adapter !== after.plan.adapter) {
    changed.adapter = after.plan.adapter
    changed.base = after.plan.base
  }
  if (before.plan.keySha256 !== after.plan.keySha256) changed.key = true
  const windows = windowWords(after.serving.windows)
  if (windowWords(before.serving.windows) !== windows) changed.windows = windows
  if (before.priority !== after.priority) changed.priority = after.priority
  return changed
}

const over = ({ name, state, stopAsked }: Policy, what: string) =>
  new AppError(
    'conflict',
    `serving policy ${name} is ${stopAsked && state !== 'stopped' ? 'being stopped' : state}: ${what}`,
    { code: 'policy_over', next: `Look at it with: rodizio serve show ${name}` },
  )
