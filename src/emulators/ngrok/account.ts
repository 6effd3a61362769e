import { secondsBetween } from '../../lib/clock.ts'
import type { StateFile } from '../state-file.ts'
import type { Condition } from './conditions.ts'
import type { TunnelSettings } from './options.ts'
import type { State } from './state.ts'

/** The books of the accounts: requests by month and minute, in virtual time. */
export function createAccounts(file: StateFile<State>, settings: TunnelSettings, now: () => Date) {
  let lately: { readonly account: string; readonly at: Date }[] = []
  const month = () => now().toISOString().slice(0, 7)
  const spentBy = (account: string): number => {
    const book = Object.hasOwn(file.state.spent, account) ? file.state.spent[account] : undefined
    return book?.month === month() ? book.requests : 0
  }
  return {
    spentBy,
    /** Counts one request, or says what is used up: what is refused is not counted. */
    take(account: string): Extract<Condition, 'month-spent' | 'minute-spent'> | null {
      lately = lately.filter(({ at }) => secondsBetween(at, now()) < 60)
      const most = file.state.monthlyRequests ?? settings.monthlyRequests
      if (spentBy(account) >= most) return 'month-spent'
      const inMinute = lately.filter((one) => one.account === account).length
      if (inMinute >= (file.state.requestsPerMinute ?? settings.requestsPerMinute)) {
        return 'minute-spent'
      }
      lately.push({ account, at: now() })
      file.state.spent[account] = { month: month(), requests: spentBy(account) + 1 }
      file.save()
      return null
    },
    clear: () => {
      lately = []
    },
  }
}
