import { type Adapter, numberOf, type PromotionPolicy, versionOf } from '../artifacts/adapter.ts'
import { AppError } from '../lib/errors.ts'

/** An adapter with what its line serves. */
export interface ListedAdapter {
  readonly adapter: Adapter
  readonly isServed: boolean
}

export interface AdapterMove {
  readonly version: string
  readonly kind: 'promoted' | 'rolled-back'
  readonly at: Date
  readonly by: string
}

export interface AdapterRows {
  find(which: number): Promise<Adapter | undefined>
  /** The newest first; `before` is the number of the last one seen. */
  list(
    line: string | null,
    before: number | null,
    limit: number,
  ): Promise<{ readonly items: readonly ListedAdapter[]; readonly next: number | null }>
  /** What each line serves now, the one that moved last first. */
  heads(): Promise<readonly Adapter[]>
  moves(line: string): Promise<readonly AdapterMove[]>
  policy(line: string): Promise<PromotionPolicy>
  setPolicy(line: string, policy: PromotionPolicy): Promise<void>
  /** Its line serves it from now on. Done twice it is once. */
  promote(which: number, by: string, why: string): Promise<void>
  /**
   * The last one that a line serves may go, so that it serves nothing.
   * @throws AppError `conflict` (`adapter_served`) for the one that its line serves while there is another to go back to
   */
  reject(which: number, by: string, why: string): Promise<void>
  /**
   * The line serves `to`, or what it served before, again.
   * @throws AppError `conflict` (`nothing_before`) where there is nothing to go back to
   */
  rollBack(line: string, to: number | null, by: string, why: string): Promise<Adapter>
}

const longestWhy = 500

/** What people do about adapters. */
export function adapterDesk(rows: AdapterRows) {
  /** By its version. @throws AppError `not-found` (`adapter_unknown`) */
  async function must(version: string): Promise<Adapter> {
    const number = numberOf(version)
    const found = number === undefined ? undefined : await rows.find(number)
    if (found) return found
    throw new AppError('not-found', `there is no adapter ${JSON.stringify(version.slice(0, 80))}`, {
      code: 'adapter_unknown',
      next: 'rodizio adapters list shows them all',
    })
  }
  /** What a line, or the line of a run, serves. @throws AppError `not-found` (`none_promoted`), `invalid` (`line_unclear`) */
  async function served(line: string | undefined): Promise<Adapter> {
    const heads = await rows.heads()
    if (line === undefined) {
      const [only, ...others] = heads
      if (only && others.length === 0) return only
      if (!only) throw nonePromoted()
      const lines = heads.map((head) => head.line).toSorted()
      throw new AppError('invalid', `several lines have a promoted adapter: ${lines.join(', ')}`, {
        code: 'line_unclear',
        next: `Name one of them, such as --run ${lines[0]}`,
      })
    }
    const head =
      heads.find((one) => one.line === line) ??
      heads.find(({ runName, runId }) => runName === line || runId === line)
    if (head) return head
    throw nonePromoted(line)
  }
  return {
    must,
    served,
    list: rows.list,
    heads: rows.heads,
    moves: rows.moves,
    policy: rows.policy,
    async promote(version: string, by: string, why: string | undefined): Promise<Adapter> {
      const adapter = await must(version)
      await rows.promote(adapter.number, by, worded(why) ?? `${by} said so`)
      return await must(version)
    },
    async reject(version: string, by: string, why: string | undefined): Promise<Adapter> {
      const adapter = await must(version)
      await rows.reject(adapter.number, by, worded(why) ?? `${by} said so`)
      return await must(version)
    },
    async rollBack(
      line: string | undefined,
      to: string | undefined,
      by: string,
      why: string | undefined,
    ): Promise<{ readonly from: string; readonly to: Adapter }> {
      const head = await served(line)
      const target = to === undefined ? null : await must(to)
      if (target && target.line !== head.line) {
        throw new AppError('invalid', `${to} is of the line ${target.line}, not ${head.line}`, {
          code: 'other_line',
          next: `rodizio adapters list --line ${head.line}`,
        })
      }
      const words = worded(why) ?? `${by} rolled back`
      const now = await rows.rollBack(head.line, target?.number ?? null, by, words)
      return { from: versionOf(head), to: now }
    },
    async setPolicy(line: string, policy: PromotionPolicy): Promise<void> {
      await rows.setPolicy(line, policy)
    },
  }
}

export type AdapterDesk = ReturnType<typeof adapterDesk>

/** One line of printable characters. */
const worded = (why: string | undefined): string | undefined =>
  why
    ?.replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, longestWhy) || undefined

const nonePromoted = (line?: string): AppError =>
  new AppError(
    'not-found',
    line === undefined
      ? 'no adapter has been promoted yet'
      : `no adapter of ${JSON.stringify(line.slice(0, 80))} has been promoted`,
    {
      code: 'none_promoted',
      next: 'rodizio adapters list shows the candidates and why they were not; rodizio adapters promote VERSION promotes one',
    },
  )
