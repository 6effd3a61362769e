/** A model that adapters are trained for, as far as it is known before any session has loaded it. */
export interface Base {
  readonly id: string
  /** Where its files come from, for a person. */
  readonly from: string
  /** The repository's commit; `main` where no commit is known, which another day may be another model. */
  readonly revision: string
  readonly architecture: string
  /** As its files are stored: a copy in nf4 cannot be trained in another form. */
  readonly stored: 'nf4' | '16-bit' | 'text'
  readonly licence: string
  /** Whether the repository asks for an accepted licence and a token before it gives anything out. */
  readonly gated: boolean
  /** What a session downloads; null where nothing is. */
  readonly sizeBytes: number | null
}

/** The program of the engines `trl` and `unsloth` has a chat template for the architecture mistral alone. */
const mistral: readonly [Base, ...Base[]] = [
  {
    id: 'unsloth/mistral-7b-instruct-v0.3-bnb-4bit',
    from: 'Hugging Face, an open copy of Mistral 7B Instruct v0.3 in nf4',
    // The snapshot in the model caches that six public programs of four unrelated authors name, and
    // no other is named there (read 2026-11); the hub itself was not asked.
    revision: 'd5f623888f1415cf89b5c208d09cb620694618ee',
    architecture: 'mistral',
    stored: 'nf4',
    licence: 'Apache-2.0',
    gated: false,
    sizeBytes: 4_138_270_819, // the download that Unsloth's executed Kaggle notebook shows
  },
  {
    id: 'mistralai/Mistral-7B-Instruct-v0.3',
    from: 'Hugging Face, the official repository',
    // Pinned by many public programs of unrelated authors, one with the date 2025-12-03 (read 2026-11).
    revision: 'c170c708c41dac9275d15a8fff4eca08d52bab71',
    architecture: 'mistral',
    stored: '16-bit',
    licence: 'Apache-2.0',
    gated: true,
    sizeBytes: 14_496_047_104, // 7,248,023,552 weights, counted from its configuration
  },
]

/** What each engine can train. */
export const catalogue: Readonly<Record<'dry' | 'trl' | 'unsloth', readonly [Base, ...Base[]]>> = {
  trl: mistral,
  unsloth: mistral,
  dry: [
    {
      id: 'dry/character-trigram',
      from: 'this program: nothing is downloaded',
      revision: '1',
      architecture: 'character-trigram',
      stored: 'text',
      licence: 'Apache-2.0',
      gated: false,
      sizeBytes: null,
    },
  ],
}

/** The base of that name, or undefined: a folder, or one that nobody has looked at. */
export const baseNamed = (id: string): Base | undefined =>
  Object.values(catalogue)
    .flat()
    .find((base) => base.id === id)

/** Whether a base is a folder on the session's own machine, such as the platform's mounted copy of a model. */
export const isFolder = (id: string): boolean => /^(?:\/|\.{1,2}\/|[A-Za-z]:[\\/])/.test(id)

/** A model of a platform's own, which it mounts into a session that asks for it: nothing is downloaded. */
export interface MountedModel {
  readonly platform: 'kaggle'
  /** `owner/model/framework/variation/version`, as the platform names it. */
  readonly source: string
  readonly version: string
}

/** The mounted model that a base of the form `kaggle:owner/model/framework/variation/version` names, or undefined. */
export function mountedModel(id: string): MountedModel | undefined {
  const [, source, version] = /^kaggle:((?:[A-Za-z0-9][\w.-]*\/){4}(\d+))$/.exec(id) ?? []
  if (source === undefined || version === undefined) return undefined
  return { platform: 'kaggle', source, version }
}
