import { nextAdapter } from '../control/standing-adapter.ts'
import { AppError } from '../lib/errors.ts'
import type { Run } from '../rotation/run.ts'
import { type Queries, text } from './database.ts'
import { readOpenedRuns, readOpenStandings } from './standing-reads.ts'

/**
 * Refuses to take away what an open standing run opens its next run on: the newest version of the name that it wants.
 * @param names that would go, each with all or one of the `versions`
 * @throws AppError `conflict` (`dataset_in_use`)
 */
export async function refuseWantedData(
  db: Queries,
  names: readonly string[],
  versions: ReadonlySet<string>,
): Promise<void> {
  for (const { name, request } of await readOpenStandings(db)) {
    if (!names.includes(request.dataset)) continue
    const newest = await db.first(
      'select version from dataset_names where name = $1 order by imported_at desc limit 1',
      request.dataset,
    )
    if (!newest || !versions.has(text(newest, 'version'))) continue
    throw new AppError(
      'conflict',
      `data set ${request.dataset} is what standing run ${name} opens its runs on`,
      { code: 'dataset_in_use', next: `Stop it first: rodizio train stop ${name}` },
    )
  }
}

/**
 * Refuses to remove the run whose adapter the next run of an open standing run begins with.
 * @throws AppError `conflict` (`adapter_in_use`)
 */
export async function refuseWantedAdapter(db: Queries, run: Run): Promise<void> {
  for (const standing of await readOpenStandings(db)) {
    const wanted = nextAdapter(standing, await readOpenedRuns(db, standing.id))
    if (wanted !== run.id && wanted !== run.name) continue
    throw new AppError(
      'conflict',
      `the adapter of ${run.name} is what the next run of standing run ${standing.name} begins with`,
      { code: 'adapter_in_use', next: `Stop it first: rodizio train stop ${standing.name}` },
    )
  }
}
