import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Alert } from '../alerts/alert.ts'
import type { NamedDataset } from '../control/reads.ts'
import { importDataset } from '../datasets/import.ts'
import { AppError } from '../lib/errors.ts'
import { absenceRows } from '../store/absence-rows.ts'
import { accountBook } from '../store/account-book.ts'
import { adapterRows } from '../store/adapter-book.ts'
import { adjustmentRows } from '../store/adjustment-rows.ts'
import { pruneOld } from '../store/alert-pruning.ts'
import { alertReads } from '../store/alert-reads.ts'
import { insertAlert } from '../store/alert-rows.ts'
import { auditLog } from '../store/audit-rows.ts'
import { backupRows } from '../store/backup-rows.ts'
import { channelRows } from '../store/channel-rows.ts'
import { checkpointRows } from '../store/checkpoint-rows.ts'
import { refuseTurnedBackClock } from '../store/clock-check.ts'
import { takeDataFolder } from '../store/data-folder.ts'
import type { Database } from '../store/database.ts'
import { datasetFiles } from '../store/dataset-files.ts'
import { insertDataset } from '../store/dataset-rows.ts'
import { deepBook, deepHistory } from '../store/deep-book.ts'
import { insertEvent } from '../store/event-rows.ts'
import { fileIndexRows } from '../store/file-index-rows.ts'
import { folderArtifacts } from '../store/folder-artifacts.ts'
import { hubTokenRows } from '../store/hub-token-rows.ts'
import { incidentBook } from '../store/incident-book.ts'
import { everything } from '../store/load-state.ts'
import { migrate } from '../store/migrate.ts'
import { nodeBook } from '../store/node-book.ts'
import { countUp } from '../store/node-rows.ts'
import { outboxRows } from '../store/outbox-rows.ts'
import { readOwners } from '../store/owner-rows.ts'
import { policyBook } from '../store/policy-book.ts'
import { probeBook } from '../store/probe-book.ts'
import { probeHistory } from '../store/probe-history.ts'
import { publicationRows } from '../store/publication-rows.ts'
import { reads } from '../store/reads.ts'
import { removalRows } from '../store/removal-rows.ts'
import { rotationStore } from '../store/rotation-store.ts'
import { runBook } from '../store/run-book.ts'
import { loadAdminToken, loadSecretKey } from '../store/secret-files.ts'
import { servingRows } from '../store/serving-rows.ts'
import { sessionGate } from '../store/session-gate.ts'
import { syncSessionNodes } from '../store/session-node-rows.ts'
import { readOpenSessionsOf, readSession } from '../store/session-rows.ts'
import { signInRows } from '../store/sign-in-rows.ts'
import { slotRows } from '../store/slot-rows.ts'
import { openSqlite } from '../store/sqlite.ts'
import { standingRows } from '../store/standing-rows.ts'
import { takeBackRows } from '../store/take-back-rows.ts'
import { tokenRows } from '../store/token-rows.ts'

/**
 * Everything that is remembered, in one data folder taken for this process: the database brought to its newest form, the
 * artifact store, the data sets, the secrets.
 * @param acceptClock opens although the clock is behind what the folder has seen
 */
export async function openStorage(
  dataDir: string,
  root: URL,
  now: () => Date,
  acceptClock: boolean,
) {
  const folder = takeDataFolder(dataDir)
  let opened: Database | undefined
  try {
    const db = openSqlite(folder.database)
    opened = db
    await migrate(db, new URL('migrations/', root), now())
    if (!acceptClock) await refuseTurnedBackClock(db, now())
    const key = loadSecretKey(folder.root)
    const files = datasetFiles(folder.datasets)
    const look = reads(db)
    return {
      folder,
      look,
      files,
      folderStore: folderArtifacts(folder.store),
      /** Whether checkpoints stand in the folder store. */
      hasFolderRuns: () => existsSync(join(folder.store, 'runs')),
      admin: loadAdminToken(folder.root),
      accounts: accountBook(db, key, now),
      gate: sessionGate(db, now),
      checkpointRows: checkpointRows(db, now),
      runs: runBook(db, now),
      standing: standingRows(db, now),
      policies: policyBook(db, now),
      fileIndex: fileIndexRows(db, now),
      slotIndex: slotRows(db, now),
      /** Whether there has ever been a run here: one that was removed counts. */
      hadRuns: async () =>
        (await look.runs(1, undefined)).items.length > 0 ||
        (await look.policies(1, undefined)).items.length > 0 ||
        (await db.first("select 1 as one from removals where kind = 'run'")) !== undefined,
      adapters: adapterRows(db, now),
      publications: publicationRows(db, now),
      tokens: tokenRows(db, now),
      audit: auditLog(db, now),
      backupRows: backupRows(db, now),
      takeBackRows: takeBackRows(db, now),
      /** The database as it is at one moment, into a file that is not there yet. */
      copyDatabase: (to: string) => db.copyTo(to),
      adjustments: adjustmentRows(db, now),
      absences: absenceRows(db, now),
      serving: servingRows(db, now),
      owners: () => readOwners(db),
      tellCleaned: (data: { readonly files: number; readonly bytes: number }) =>
        db.transaction((tx) =>
          insertEvent(tx, { kind: 'store.cleaned', data }, now().toISOString()),
        ),
      /** @param hasDrive whether files on Drive can be reached */
      removalRows: (hasDrive: boolean) => removalRows(db, now, hasDrive),
      signIns: signInRows(db, key, now),
      hubTokens: hubTokenRows(db, key, now),
      channelRows: channelRows(db, key, now),
      outbox: outboxRows(db),
      pruneOld: () => pruneOld(db, now()),
      alertReads: alertReads(db),
      tellAlert: (alert: Alert) => db.transaction((tx) => insertAlert(tx, alert)),
      rotation: rotationStore(db, now),
      nodes: nodeBook(db, now, key),
      probes: (settles: number) => probeBook(db, settles, now),
      deepProbes: (settles: number) => deepBook(db, key, settles),
      deepHistory: deepHistory(db),
      incidents: incidentBook(db, now),
      probeHistory: probeHistory(db, now),
      nodesUp: () => countUp(db),
      session: (id: string) => readSession(db, id),
      liveSessions: async (runId: string): Promise<ReadonlySet<string>> =>
        new Set((await readOpenSessionsOf(db, runId)).map(({ id }) => id)),
      /** Nodes of serving policies as their sessions have said. */
      syncNodes: (intervalSeconds: number, settles: number) =>
        syncSessionNodes(db, now, intervalSeconds, settles),
      /** All that is open and what a plan is made from, of one moment; changes nothing. */
      rotationState: () => db.transaction((tx) => everything(tx, now())),
      async importData(body: AsyncIterable<Uint8Array>, name: string, strict: boolean) {
        const imported = await importDataset(body, await files.stage(), strict)
        const { version, rejected } = imported
        const stands = () => files.stands(version.version)
        await insertDataset(db, name, version, rejected, now().toISOString(), stands)
        return { imported, dataset: await mustHave(name) }
      },
      /** A data set that the books must have. */
      mustHave,
      /** The files of a version, with the keys under which sessions fetch them. */
      async dataFiles(version: string) {
        const dataset = await mustHave(version)
        return (['train', 'validation'] as const).map((split) => ({
          name: `${split}.jsonl`,
          path: `data/${version}/${split}.jsonl`,
          ...dataset[split],
        }))
      },
      async close(): Promise<void> {
        await db.close()
        folder.release()
      },
    }

    async function mustHave(nameOrVersion: string): Promise<NamedDataset> {
      const dataset = await look.dataset(nameOrVersion)
      if (dataset) return dataset
      throw new AppError('internal', `data set ${nameOrVersion} is not in the books`)
    }
  } catch (error) {
    await opened?.close()
    folder.release()
    throw error
  }
}

export type Storage = Awaited<ReturnType<typeof openStorage>>
