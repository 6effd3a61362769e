import { fileURLToPath } from 'node:url'
import type { Config } from '../config/schema.ts'
import { type RealStart, realRunName } from '../control/real-start.ts'
import { AppError } from '../lib/errors.ts'
import { makeTinyBase } from '../providers/local/tiny-base.ts'
import type { Storage } from './storage.ts'
import { trlPythons } from './trl-pythons.ts'

export interface RealOptions {
  readonly config: Config
  readonly root: URL
  readonly path: string
  /** Whether the emulators stand in for outside services. */
  readonly emulate: boolean
  readonly stop: AbortSignal
}

/**
 * What a run that really trains on this machine needs: prepared Pythons and a tiny base, which is made when it is not there.
 * @throws AppError `invalid` (`real_accounts`) where the emulators are off, else as `trlPythons` and `makeTinyBase`
 */
export async function openReal(
  { config, root, path, emulate, stop }: RealOptions,
  storage: Storage,
) {
  if (!emulate) {
    throw new AppError(
      'invalid',
      '--real goes over the emulated Kaggle and Colab, and this service works with real accounts',
      {
        code: 'real_accounts',
        next: 'Leave it out, or give it a data folder of its own: RODIZIO_EMULATORS=on RODIZIO_DATA_DIR=FOLDER rodizio up --real',
      },
    )
  }
  const pythons = trlPythons(config, root).required()
  const base = storage.folder.tinyBase
  const sample = (name: string) => fileURLToPath(new URL(`templates/sample/${name}`, root))
  await makeTinyBase({
    python: pythons.local,
    maker: sample('make_tiny_base.py'),
    text: sample('about-rodizio.jsonl'),
    folder: base,
    path,
    stop,
  })
  const isThere = async () => (await storage.look.run(realRunName)) !== undefined
  const start: RealStart = { base, isThere }
  return {
    start,
    /** For the person who asked for it. */
    told: {
      run: realRunName,
      base,
      pythons,
      isThere: await isThere(),
      /** Whether it joins runs of another name. */
      joins: (await storage.look.runs(1, undefined)).items.length > 0,
    },
  }
}

export type Real = Awaited<ReturnType<typeof openReal>>
