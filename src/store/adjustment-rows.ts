import { unknownAccount } from '../control/account-access.ts'
import { type AdjustmentRows, absurdHours, weekHours } from '../control/adjust-budget.ts'
import { balanceSeconds, type LedgerEntry, totals } from '../rotation/ledger.ts'
import { weekOf } from '../rotation/week.ts'
import { toAccount } from './account-rows.ts'
import type { Database } from './database.ts'
import { insertEvent } from './event-rows.ts'
import { insertEntries, readLedger } from './ledger-rows.ts'

/** Corrections by hand in the ledger; see `AdjustmentRows`. */
export const adjustmentRows = (db: Database, now: () => Date): AdjustmentRows => ({
  adjust: ({ id, account: name, gpuSeconds, note }) =>
    db.transaction(async (tx) => {
      const row = await tx.first(
        'select * from accounts where name = $1 and removed_at is null',
        name,
      )
      if (!row) throw unknownAccount(name)
      if (await tx.first('select 1 as one from ledger_entries where id = $1', id)) return
      const account = toAccount(row)
      const { start: weekStart } = weekOf(account.reset, now())
      const before = await readLedger(tx, name, weekStart)
      const together = totals(before, weekStart).adjustedSeconds + gpuSeconds
      if (Math.abs(together) > weekHours * 3600) {
        throw absurdHours(
          `with the corrections of this week they would be ${(together / 3600).toFixed(1)} h, more than a week has`,
        )
      }
      const entry: LedgerEntry = {
        id,
        sessionId: null,
        kind: 'adjust',
        weekStart,
        account: name,
        gpuSeconds,
        note,
      }
      const at = now().toISOString()
      await insertEntries(tx, [entry], at)
      const data = {
        account: name,
        provider: account.provider,
        emulated: account.emulated,
        hours: gpuSeconds / 3600,
        note,
        leftHours: balanceSeconds(account, [...before, entry], weekStart) / 3600,
      }
      await insertEvent(tx, { kind: 'account.adjusted', data }, at)
    }),
})
