import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Mount, sessionPaths } from '../notebook-process.ts'
import type { Kernel, StateFile } from './state.ts'

/**
 * The output of its owner's other notebooks, as a session finds it under `../input`. Only a session that ended by itself
 * has left any: what becomes of the files of a killed one at Kaggle is not known.
 */
export function outputsOf(kernel: Kernel, file: StateFile): Mount[] {
  return kernel.kernelDataSources.flatMap((source) => {
    const session = file.state.sessions.findLast(
      ({ owner, slug, state }) =>
        `${owner}/${slug}` === source && owner === kernel.owner && state === 'COMPLETE',
    )
    if (!session) return []
    const { working } = sessionPaths(file.sessionDir(session.id))
    return readdirSync(working).map((name) => ({
      folder: session.slug,
      name,
      path: join(working, name),
    }))
  })
}
