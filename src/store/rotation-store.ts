import { reduce } from '../rotation/engine/reduce.ts'
import type { RotationStore } from '../rotation/rotation-store.ts'
import { readAccounts } from './account-rows.ts'
import type { Database } from './database.ts'
import { readLedger } from './ledger-rows.ts'
import { loadState } from './load-state.ts'
import { readOpenRuns } from './run-rows.ts'
import { saveChanges } from './save-changes.ts'
import { readOpenSessions } from './session-rows.ts'

/** The rotation's memory on a database; `now` is asked once in each transaction. */
export const rotationStore = (db: Database, now: () => Date): RotationStore => ({
  accounts: () => readAccounts(db),
  openRuns: () => readOpenRuns(db),
  openSessions: () => readOpenSessions(db),
  ledgerRows: (account, from) => readLedger(db, account, from),
  apply: (input) =>
    db.transaction(async (tx) => {
      const at = now()
      const state = await loadState(tx, input, at)
      const reduced = reduce(state, input, at)
      await saveChanges(tx, state, reduced.changes, at.toISOString())
      return reduced
    }),
})
