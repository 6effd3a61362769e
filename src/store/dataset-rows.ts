import type { NamedDataset } from '../control/reads.ts'
import type { DatasetVersion } from '../datasets/import.ts'
import { type Database, date, number, type Queries, type Row, text } from './database.ts'
import { refuseDataThatGoes } from './removal-rows.ts'

const toNamed = (row: Row): NamedDataset => ({
  name: text(row, 'name'),
  version: text(row, 'version'),
  importedAt: date(row, 'imported_at'),
  rejected: number(row, 'rejected'),
  train: {
    rows: number(row, 'train_rows'),
    bytes: number(row, 'train_bytes'),
    sha256: text(row, 'train_sha256'),
  },
  validation: {
    rows: number(row, 'validation_rows'),
    bytes: number(row, 'validation_bytes'),
    sha256: text(row, 'validation_sha256'),
  },
})

const joined = 'from dataset_names n join dataset_versions v on v.version = n.version'

/**
 * Records a version under a name; the same version under the same name again is the newest import of it.
 * @param stands whether its files are there: a removal may have taken those that an import found standing
 * @throws AppError `conflict` (`dataset_removing`)
 */
export async function insertDataset(
  db: Database,
  name: string,
  made: DatasetVersion,
  rejected: number,
  at: string,
  stands: () => Promise<boolean> = async () => true,
): Promise<void> {
  await db.transaction(async (tx) => {
    await refuseDataThatGoes(tx, made.version, stands)
    await tx.run(
      `insert into dataset_versions values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (version) do nothing`,
      made.version,
      made.train.rows,
      String(made.train.bytes),
      made.train.sha256,
      made.validation.rows,
      String(made.validation.bytes),
      made.validation.sha256,
      at,
    )
    await tx.run(
      `insert into dataset_names values ($1, $2, $3, $4)
       on conflict (name, version) do update set imported_at = excluded.imported_at, rejected = excluded.rejected`,
      name,
      made.version,
      at,
      rejected,
    )
  })
}

/** Newest first. */
export const readDatasets = async (db: Queries): Promise<NamedDataset[]> =>
  (await db.all(`select * ${joined} order by n.imported_at desc, n.name`)).map(toNamed)

/** By version, or the newest version of a name. */
export async function readDataset(
  db: Queries,
  nameOrVersion: string,
): Promise<NamedDataset | undefined> {
  const row = await db.first(
    `select * ${joined} where n.name = $1 or n.version = $1 order by n.imported_at desc limit 1`,
    nameOrVersion,
  )
  return row && toNamed(row)
}
