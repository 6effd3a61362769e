import type { FoundFile } from './inventory.ts'

/** Who needs files of the store, by the books. */
export interface Owners {
  /** Folders of committed checkpoints and of artifacts. */
  readonly kept: ReadonlySet<string>
  /** Folders to which a session that has not ended may send. */
  readonly arriving: ReadonlySet<string>
  /** Keys that uploads have announced, of whatever time. */
  readonly announced: ReadonlySet<string>
  readonly runs: ReadonlySet<string>
  readonly dataVersions: ReadonlySet<string>
  /** Runs and versions that were removed here. */
  readonly removed: ReadonlySet<string>
}

/**
 * Why nobody needs a file, as the end of a sentence; null for one that is needed, or that is not this service's to judge: a run
 * that it has never known may be another service's on the same Drive.
 */
export function whyLeftOver(file: FoundFile, owners: Owners): string | null {
  const [top, subject = '', kind, name, ...rest] = file.key.split('/')
  if (top === 'data') {
    const isGone = owners.removed.has(subject) && !owners.dataVersions.has(subject)
    return isGone && file.state !== 'stray' ? 'its data set was removed' : null
  }
  if (top !== 'runs') return null
  const folder = `runs/${subject}/${kind}/${name}`
  if (owners.arriving.has(folder)) return null
  if (!owners.runs.has(subject)) return owners.removed.has(subject) ? 'its run was removed' : null
  if ((kind !== 'checkpoints' && kind !== 'artifacts') || rest.length !== 1) return null
  if (!owners.kept.has(folder)) return `no ${kind.slice(0, -1)} owns it`
  if (file.state === 'stray') return 'another file has taken its place'
  const isPart = file.state === 'named-part' && !owners.announced.has(file.key)
  return isPart || file.state === 'part' ? 'its upload never ended' : null
}
