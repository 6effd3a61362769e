/** One thing that `doctor` looked at. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly found: string
  /** The fix in one line, where something is wrong. */
  readonly fix: string | null
}

export const good = (name: string, found: string): Check => ({ name, ok: true, found, fix: null })
export const bad = (name: string, found: string, fix: string): Check => ({
  name,
  ok: false,
  found,
  fix,
})
