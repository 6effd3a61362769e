import { versionOf } from '../artifacts/adapter.ts'
import type {
  DataContents,
  Removal,
  RemovalRows,
  RunContents,
  RunNoun,
} from '../control/removals.ts'
import { asPolicy, asTraining } from '../control/run-or-policy.ts'
import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/random.ts'
import { isOpen, type Run } from '../rotation/run.ts'
import { readHeads } from './adapter-rows.ts'
import { type Database, number, type Queries, type Row, text } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { readRun } from './run-rows.ts'
import { refuseWantedAdapter, refuseWantedData } from './standing-wants.ts'

/**
 * Removals in the database; see `RemovalRows`.
 * @param hasDrive whether files on Drive can be reached: what lies there is not forgotten while they cannot
 */
export function removalRows(db: Database, now: () => Date, hasDrive: boolean): RemovalRows {
  return {
    runContents: async (idOrName, noun = 'run') =>
      (await removableRun(db, idOrName, noun, hasDrive)).contents,
    askRun: (idOrName, noun = 'run') =>
      db.transaction(async (tx) => {
        const { run, contents } = await removableRun(tx, idOrName, noun, hasDrive)
        const removal = await ask(tx, { kind: 'run', subject: run.id, name: run.name }, now())
        return { contents, removal }
      }),
    dataContents: (nameOrVersion) => removableData(db, nameOrVersion, hasDrive),
    askData: (nameOrVersion) =>
      db.transaction(async (tx) => {
        const contents = await removableData(tx, nameOrVersion, hasDrive)
        const removals: Removal[] = []
        for (const { version, keptAs } of contents.versions) {
          for (const name of contents.names) {
            const sql = 'delete from dataset_names where name = $1 and version = $2'
            await tx.run(sql, name, version)
          }
          if (keptAs.length > 0) continue
          const name = contents.names.join(', ')
          removals.push(await ask(tx, { kind: 'data', subject: version, name }, now()))
        }
        const data = {
          name: contents.names.join(', '),
          versions: contents.versions.length,
          bytes: freed(contents),
        }
        await insertEvent(tx, { kind: 'data.removed', data }, now().toISOString())
        return { contents, removals }
      }),
    open: async () =>
      (await db.all('select * from removals where finished_at is null order by asked_at, id')).map(
        toRemoval,
      ),
    sessionNames: async (runId) =>
      (await db.all('select name from sessions where run_id = $1 order by generation', runId)).map(
        (row) => text(row, 'name'),
      ),
    hasSlots: async (runId) =>
      (await db.first(
        `select 1 as one from sealed_files f join sessions s on s.id = f.session_id
         where s.run_id = $1`,
        runId,
      )) !== undefined,
    finish: (removal) =>
      db.transaction(async (tx) => {
        const at = now().toISOString()
        const sql = 'update removals set finished_at = $1 where id = $2 and finished_at is null'
        if ((await tx.run(sql, at, removal.id)) === 0) return
        if (removal.kind === 'run') await forgetRun(tx, removal, at)
        else await tx.run('delete from dataset_versions where version = $1', removal.subject)
      }),
  }
}

const toRemoval = (row: Row): Removal => ({
  id: text(row, 'id'),
  kind: row.kind === 'run' ? 'run' : 'data',
  subject: text(row, 'subject'),
  name: text(row, 'name'),
})

/** The open removal of that subject, or a new one. */
async function ask(tx: Queries, wanted: Omit<Removal, 'id'>, now: Date): Promise<Removal> {
  const known = await openRemoval(tx, wanted.kind, wanted.subject)
  if (known) return known
  const removal = { id: newId('rem'), ...wanted }
  await tx.run(
    'insert into removals (id, kind, subject, name, asked_at) values ($1, $2, $3, $4, $5)',
    removal.id,
    removal.kind,
    removal.subject,
    removal.name,
    now.toISOString(),
  )
  return removal
}

async function openRemoval(
  db: Queries,
  kind: Removal['kind'],
  subject: string,
): Promise<Removal | undefined> {
  const row = await db.first(
    'select * from removals where kind = $1 and subject = $2 and finished_at is null',
    kind,
    subject,
  )
  return row && toRemoval(row)
}

async function removableRun(
  db: Queries,
  idOrName: string,
  noun: RunNoun,
  hasDrive: boolean,
): Promise<{ run: Run; contents: RunContents }> {
  const found = await readRun(db, idOrName)
  const run = noun === 'policy' ? asPolicy(found, idOrName) : asTraining(found, idOrName)
  const live = await db.first(
    'select 1 as one from sessions where run_id = $1 and ended_at is null',
    run.id,
  )
  if (run.serving && (isOpen(run) || live)) {
    const is = isOpen(run) && !run.stopAsked ? 'open' : 'being stopped'
    throw new AppError(
      'conflict',
      `serving policy ${run.name} is ${is}: one that is open, or has a live session, is not removed`,
      {
        code: 'policy_open',
        next: run.stopAsked
          ? `Wait until its sessions have ended: rodizio sessions --open --run ${run.name}`
          : `Stop it first: rodizio serve stop ${run.name}`,
      },
    )
  }
  if (isOpen(run) || live) {
    throw new AppError('conflict', `run ${run.name} is ${run.state}: an open run is not removed`, {
      code: 'run_open',
      next: `Stop it first: rodizio train stop ${run.name}`,
    })
  }
  const heirs = await heirsOf(db, run.id)
  if (heirs.length > 0) {
    throw new AppError(
      'conflict',
      `the adapter of ${run.name} is what ${named('run', heirs)} began with`,
      {
        code: 'adapter_in_use',
        next: `Remove ${heirs.length === 1 ? 'that one' : 'those'} first: rodizio train rm ${heirs[0]}`,
      },
    )
  }
  await refuseWantedAdapter(db, run)
  await refuseServedAdapter(db, run)
  const [policy] = await servedBy(db, run.id)
  if (policy !== undefined) {
    throw new AppError(
      'conflict',
      `the adapter of ${run.name} is in use: the serving policy ${policy} serves it`,
      {
        code: 'adapter_in_use',
        next: `Give the policy another one (rodizio serve change ${policy} --adapter RUN), or stop it first: rodizio serve stop ${policy}`,
      },
    )
  }
  await refuseOutOfReach(db, `runs/${run.id}`, run.name, hasDrive)
  return { run, contents: await contentsOf(db, run) }
}

/** Names of the runs, of whatever state, that began with an adapter of this one; those that are being removed left out. */
async function heirsOf(db: Queries, runId: string): Promise<string[]> {
  const artifacts = await db.all('select manifest_sha256 from artifacts where run_id = $1', runId)
  const heirs: string[] = []
  for (const artifact of artifacts) {
    const sha256 = text(artifact, 'manifest_sha256')
    const rows = await db.all(
      `select id, name, plan from runs where id <> $1 and plan like $2
         and id not in (select subject from removals where kind = 'run' and finished_at is null)
       order by created_at, id`,
      runId,
      `%${sha256}%`,
    )
    for (const row of rows) {
      const plan = JSON.parse(text(row, 'plan')) as { fromAdapter?: unknown } // written by insertRun alone
      if (plan.fromAdapter === sha256) heirs.push(text(row, 'name'))
    }
  }
  return heirs
}

/** @throws AppError `conflict` (`adapter_in_use`) while a line serves the run's adapter: boxes pull it */
async function refuseServedAdapter(db: Queries, run: Run): Promise<void> {
  const served = (await readHeads(db)).find(({ runId }) => runId === run.id)
  if (!served) return
  throw new AppError(
    'conflict',
    `the adapter of ${run.name} is ${versionOf(served)}, which the line ${served.line} serves`,
    {
      code: 'adapter_in_use',
      next: `Promote another one first, or go back (rodizio adapters rollback ${served.line}); where there is no other: rodizio adapters reject ${versionOf(served)}`,
    },
  )
}

/** Names of the open policies that serve an adapter of the run. */
const servedBy = async (db: Queries, runId: string): Promise<string[]> =>
  (
    await db.all(
      `select p.name from runs p join artifacts a on p.plan like '%' || a.manifest_sha256 || '%'
       where a.run_id = $1 and p.serving is not null and p.state in ('queued', 'training', 'stopping')
       order by p.created_at, p.id`,
      runId,
    )
  ).map((row) => text(row, 'name'))

async function contentsOf(db: Queries, run: Run): Promise<RunContents> {
  const count = async (from: string) =>
    number((await db.first(`select count(*) as n from ${from}`, run.id)) ?? {}, 'n')
  const checkpoints = await db.all(
    "select bytes from checkpoints where run_id = $1 and state <> 'pruned'",
    run.id,
  )
  const artifact = await db.first('select label, bytes from artifacts where run_id = $1', run.id)
  return {
    id: run.id,
    name: run.name,
    sessions: await count('sessions where run_id = $1'),
    checkpoints: {
      count: checkpoints.length,
      bytes: checkpoints.reduce((sum, row) => sum + number(row, 'bytes'), 0),
    },
    artifact: artifact
      ? { label: text(artifact, 'label'), bytes: number(artifact, 'bytes') }
      : null,
    events: await count('events where run_id = $1'),
    ledgerRows: await count(
      'ledger_entries where session_id in (select id from sessions where run_id = $1)',
    ),
  }
}

/** Files that only Drive has cannot go while it is not the store. */
async function refuseOutOfReach(
  db: Queries,
  prefix: string,
  name: string,
  hasDrive: boolean,
): Promise<void> {
  if (hasDrive) return
  const onDrive = await db.first(
    'select count(*) as n from drive_files where substr(key, 1, $1) = $2 or substr(key, 1, $3) = $4',
    prefix.length + 1,
    `${prefix}/`,
    prefix.length + 10,
    `arriving/${prefix}/`,
  )
  if (!onDrive || number(onDrive, 'n') === 0) return
  throw new AppError('conflict', `files of ${name} lie on Drive, and RODIZIO_STORE is folder`, {
    code: 'store_elsewhere',
    next: 'Set RODIZIO_STORE=drive, start the service again, and remove it then',
  })
}

async function removableData(
  db: Queries,
  nameOrVersion: string,
  hasDrive: boolean,
): Promise<DataContents> {
  const rows = await db.all(
    `select n.name, v.* from dataset_names n join dataset_versions v on v.version = n.version
     where n.name = $1 or n.version = $1 order by n.imported_at desc, n.name`,
    nameOrVersion,
  )
  if (rows.length === 0) {
    throw new AppError('not-found', `there is no data set ${nameOrVersion}`, {
      code: 'dataset_unknown',
      next: 'rodizio data list shows all',
    })
  }
  const names = [...new Set(rows.map((row) => text(row, 'name')))]
  const byVersion = new Map(rows.map((row) => [text(row, 'version'), row]))
  await refuseWantedData(db, names, new Set(byVersion.keys()))
  const versions: DataContents['versions'][number][] = []
  for (const [version, row] of byVersion) {
    const all = await db.all(
      'select name from dataset_names where version = $1 order by name',
      version,
    )
    const keptAs = all.map((other) => text(other, 'name')).filter((name) => !names.includes(name))
    if (keptAs.length === 0) {
      await refuseInUse(db, nameOrVersion, version)
      await refuseOutOfReach(db, `data/${version}`, nameOrVersion, hasDrive)
    }
    versions.push({
      version,
      rows: number(row, 'train_rows') + number(row, 'validation_rows'),
      bytes: number(row, 'train_bytes') + number(row, 'validation_bytes'),
      keptAs,
    })
  }
  return { names, versions }
}

/** A run that is over may be evaluated or gone on from: its data is in use as long as it is there. */
async function refuseInUse(db: Queries, asked: string, version: string): Promise<void> {
  const rows = await db.all(
    'select name, state from runs where dataset_version = $1 order by created_at, id',
    version,
  )
  const [first] = rows
  if (!first) return
  const open = rows.filter((row) => ['queued', 'training', 'stopping'].includes(text(row, 'state')))
  const users = rows.map((row) => text(row, 'name'))
  const name = text(open[0] ?? first, 'name')
  throw new AppError(
    'conflict',
    `data set ${asked} (${version}) is what ${named('run', users)} ${users.length === 1 ? 'trains' : 'train'} on`,
    {
      code: 'dataset_in_use',
      next: open[0]
        ? `Stop and remove the run first: rodizio train stop ${name}, then rodizio train rm ${name}`
        : `Remove the run first: rodizio train rm ${name}`,
    },
  )
}

const freed = ({ versions }: DataContents): number =>
  versions.filter(({ keptAs }) => keptAs.length === 0).reduce((sum, { bytes }) => sum + bytes, 0)

/** `run a`, `runs a and b`, `runs a, b and 3 more`. */
function named(noun: string, names: readonly string[]): string {
  const [first = '', second] = names
  if (second === undefined) return `${noun} ${first}`
  if (names.length === 2) return `${noun}s ${first} and ${second}`
  return `${noun}s ${first}, ${second} and ${names.length - 2} more`
}

/** Tables whose rows go with their run, in this order, by the column that names the run or one of its sessions. */
export const goWithRun = [
  ['transfers', 'session_id'],
  ['spent_nonces', 'session_id'],
  ['uploads', 'run_id'],
  ['checkpoints', 'run_id'],
  ['artifacts', 'run_id'],
  ['metrics', 'run_id'],
  ['events', 'run_id'],
  ['standing_openings', 'run_id'],
] as const

/** Sealed files of a run are given up before, at the store itself. The ledger stays: its rows name the session in a note. */
async function forgetRun(tx: Queries, { subject, name }: Removal, at: string): Promise<void> {
  const contents = await tx.first('select count(*) as n from sessions where run_id = $1', subject)
  const served = await tx.first(
    'select 1 as one from runs where id = $1 and serving is not null',
    subject,
  )
  // Before its own events go: the ids of events never come again.
  const count = { sessions: number(contents ?? {}, 'n') }
  const event = served
    ? ({ kind: 'policy.removed', data: { policy: name, ...count } } as const)
    : ({ kind: 'run.removed', data: { run: name, ...count } } as const)
  await insertEvent(tx, event, at)
  const sessions = await tx.all('select id, generation from sessions where run_id = $1', subject)
  for (const session of sessions) {
    const note = `${served ? 'serving policy' : 'run'} ${name}, session ${number(session, 'generation')}`
    await tx.run(
      'update ledger_entries set session_id = null, note = coalesce(note, $1) where session_id = $2',
      note,
      text(session, 'id'),
    )
  }
  for (const [table, column] of goWithRun) {
    const which =
      column === 'run_id'
        ? 'run_id = $1'
        : 'session_id in (select id from sessions where run_id = $1)'
    await tx.run(`delete from ${table} where ${which}`, subject)
  }
  await tx.run(
    "update adapters set state = 'rejected', why = 'its run was removed' where run_id = $1",
    subject,
  )
  await tx.run('delete from sessions where run_id = $1', subject)
  await tx.run('delete from runs where id = $1', subject)
}

/**
 * Refuses a run that would stand on what is going or gone.
 * @throws AppError `conflict` (`dataset_removing`, `adapter_removing`), `not-found` (`dataset_unknown`, `adapter_gone`)
 */
export async function refuseWhatGoes(
  tx: Queries,
  { datasetVersion, plan }: Pick<Run, 'datasetVersion' | 'plan'>,
): Promise<void> {
  if (await openRemoval(tx, 'data', datasetVersion)) throw beingRemoved(datasetVersion)
  const data = await tx.first(
    'select 1 as one from dataset_versions where version = $1',
    datasetVersion,
  )
  if (!data) {
    throw new AppError('not-found', `there is no data set ${datasetVersion} any more`, {
      code: 'dataset_unknown',
      next: 'Import it again: rodizio data import FILE --name NAME',
    })
  }
  // What a training begins with, or a policy serves.
  const adapter = plan.fromAdapter ?? plan.adapter
  if (typeof adapter !== 'string') return
  const origin = await tx.first('select run_id from artifacts where manifest_sha256 = $1', adapter)
  if (origin && !(await openRemoval(tx, 'run', text(origin, 'run_id')))) return
  if (plan.fromAdapter === undefined) {
    throw new AppError('conflict', 'the run whose adapter would be served is being removed', {
      code: 'adapter_removing',
      next: 'Name another run with --adapter',
    })
  }
  throw new AppError(
    'conflict',
    'the run whose adapter this one would begin with is being removed',
    {
      code: 'adapter_removing',
      next: 'Name another run with --from-adapter, or leave it out',
    },
  )
}

const beingRemoved = (version: string) =>
  new AppError('conflict', `the content of this data set (${version}) is being removed`, {
    code: 'dataset_removing',
    next: 'Import it again in a moment: rodizio data import FILE --name NAME',
  })

/**
 * Refuses a name for content whose removal has not been finished, or whose files have gone with one.
 * @throws AppError `conflict` (`dataset_removing`)
 */
export async function refuseDataThatGoes(
  tx: Queries,
  version: string,
  stands: () => Promise<boolean>,
): Promise<void> {
  if ((await openRemoval(tx, 'data', version)) || !(await stands())) throw beingRemoved(version)
}
