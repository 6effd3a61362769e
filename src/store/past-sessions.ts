import type { Account } from '../rotation/account.ts'
import { answersOf, launchOf, mostPast, sampleOf } from '../rotation/engine/past.ts'
import type { Launch, RotationState, Sample } from '../rotation/engine/state.ts'
import type { Run } from '../rotation/run.ts'
import type { Queries } from './database.ts'
import { toSession } from './session-rows.ts'

type Past = Pick<RotationState, 'samples' | 'launches' | 'answers'>

/** What the newest sessions of each run and account say of speed, start, luck and people. */
export async function readPast(
  tx: Queries,
  accounts: readonly Account[],
  runs: readonly Run[],
): Promise<Past> {
  const samples = new Map<string, readonly Sample[]>()
  for (const { id } of runs) {
    const rows = await tx.all(
      `select * from sessions where run_id = $1 and training_at is not null order by created_at desc, id desc limit ${mostPast}`,
      id,
    )
    samples.set(
      id,
      rows.map(toSession).flatMap((session) => sampleOf(session) ?? []),
    )
  }
  const launches = new Map<string, readonly Launch[]>()
  const answers = new Map<string, readonly number[]>()
  for (const { name, automation } of accounts) {
    const rows = await tx.all(
      `select * from sessions where account = $1 order by created_at desc, id desc limit ${mostPast}`,
      name,
    )
    const newest = rows.map(toSession)
    launches.set(
      name,
      newest.flatMap((session) => launchOf(session) ?? []),
    )
    if (automation === 'person') answers.set(name, newest.flatMap(answersOf))
  }
  return { samples, launches, answers }
}
