import { AppError, messageOf } from '../lib/errors.ts'

/** The box's folder, as far as going live needs it. */
export interface LiveFolder {
  current(): Promise<string | null>
  switchTo(version: string): Promise<void>
  pathOf(version: string): string
  told(): Promise<{ readonly serving: string | null; readonly refused: string | null } | null>
  note(told: { readonly serving: string | null; readonly refused: string | null }): Promise<void>
  keep(most: number, also: readonly string[]): Promise<readonly string[]>
}

/** Tells whoever serves to take a version, and returns when it has. Throws AppError when it does not. */
export type Reload = (version: { readonly name: string; readonly path: string }) => Promise<void>

const mostKept = 3

/** How going live went: `unchanged` where the version was led to and served already. */
export type Went = 'live' | 'unchanged'

/**
 * Leads `current` to a version that stands there whole, and has it reloaded. What cannot be reloaded is led away from again, and the one
 * before is reloaded in its place. Whoever dies in between is told once more the next time: done twice it is once.
 * @throws AppError `conflict` (`reload_failed`) that says what was refused, and what serves now
 */
export async function goLive(
  folder: LiveFolder,
  version: string,
  reload: Reload | null,
): Promise<Went> {
  const before = await folder.current()
  const told = await folder.told()
  const isServed = reload === null || told?.serving === version
  if (before === version && isServed) return 'unchanged'
  // Died after the link had been turned and before it was told: what served then is the one to go back to.
  const last = told?.serving ?? (before === version ? null : before)
  await folder.switchTo(version)
  if (reload) {
    try {
      await reload({ name: version, path: folder.pathOf(version) })
    } catch (error) {
      await goBack(folder, version, last, reload, error)
    }
    await folder.note({ serving: version, refused: null })
  }
  await folder.keep(mostKept, last === null ? [version] : [version, last])
  return 'live'
}

async function goBack(
  folder: LiveFolder,
  version: string,
  last: string | null,
  reload: Reload,
  cause: unknown,
): Promise<never> {
  const refused = (now: string) =>
    new AppError(
      'conflict',
      `version ${version} could not be loaded: ${messageOf(cause)}. ${now}`,
      {
        code: 'reload_failed',
        next: 'Look at the log of the server; roll back with rodizio adapters rollback, or promote another version',
        cause,
      },
    )
  if (last === null || last === version) {
    await folder.note({ serving: null, refused: version })
    throw refused('There is none before it to go back to')
  }
  await folder.switchTo(last)
  try {
    await reload({ name: last, path: folder.pathOf(last) })
  } catch (error) {
    await folder.note({ serving: null, refused: version })
    throw refused(
      `current leads to ${last} again, which could not be loaded either: ${messageOf(error)}`,
    )
  }
  await folder.note({ serving: last, refused: version })
  throw refused(`${last} serves again`)
}
