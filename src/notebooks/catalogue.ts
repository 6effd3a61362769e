import { gemma7b, llama8b, type Model, mistral7b, phi3Mini, qwen7b } from './models.ts'
import { weightBytes } from './shape.ts'
import { type Architecture, targetsOf } from './targets.ts'

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
  /** The layers that its adapters are trained on, unless a plan says otherwise. */
  readonly targets: readonly string[]
  /** What is counted and foretold about it; null for the rehearsal's. */
  readonly model: Model | null
}

/** What a base is beside its model: where it comes from and in which form. */
type Copy = Pick<Base, 'id' | 'from' | 'revision' | 'stored' | 'gated'> & {
  readonly architecture: Architecture
}

/** The base that is a copy of a model, its size counted from the model's shapes. */
const copyOf = (model: Model, copy: Copy): Base => ({
  ...copy,
  licence: model.licence,
  sizeBytes: weightBytes(model.shape, copy.stored === 'nf4' ? 'nf4' : 'none'),
  targets: targetsOf[copy.architecture],
  model,
})

/**
 * The bases of the engines `trl` and `unsloth`; of each model an open copy in nf4 first, then the official repository.
 * A revision is the one that several public programs of unrelated authors name (read 2026-11); the hub itself was not asked.
 */
const language: readonly [Base, ...Base[]] = [
  {
    ...copyOf(mistral7b, {
      id: 'unsloth/mistral-7b-instruct-v0.3-bnb-4bit',
      from: 'Hugging Face, an open copy of Mistral 7B Instruct v0.3 in nf4',
      // The snapshot in the model caches that six public programs of four unrelated authors name, and
      // no other is named there.
      revision: 'd5f623888f1415cf89b5c208d09cb620694618ee',
      architecture: 'mistral',
      stored: 'nf4',
      gated: false,
    }),
    sizeBytes: 4_138_270_819, // the download that Unsloth's executed Kaggle notebook shows
  },
  copyOf(mistral7b, {
    id: 'mistralai/Mistral-7B-Instruct-v0.3',
    from: 'Hugging Face, the official repository',
    revision: 'c170c708c41dac9275d15a8fff4eca08d52bab71', // by one of them with the date 2025-12-03
    architecture: 'mistral',
    stored: '16-bit',
    gated: true,
  }),
  copyOf(llama8b, {
    id: 'unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit',
    from: 'Hugging Face, an open copy of Llama 3.1 8B Instruct in nf4',
    revision: 'f15c379fb32bb402fa06a7ae9aecb1febf4b79ec', // an older one is named as well, by one author
    architecture: 'llama',
    stored: 'nf4',
    gated: false,
  }),
  copyOf(llama8b, {
    id: 'meta-llama/Llama-3.1-8B-Instruct',
    from: 'Hugging Face, the official repository',
    revision: '0e9e39f249a16976918f6564b8830bc894c89659',
    architecture: 'llama',
    stored: '16-bit',
    gated: true,
  }),
  copyOf(qwen7b, {
    id: 'unsloth/Qwen2.5-7B-Instruct-bnb-4bit',
    from: 'Hugging Face, an open copy of Qwen2.5 7B Instruct in nf4',
    revision: 'bdd404162d94997f390efbfa660eb3f21cbbc81d',
    architecture: 'qwen2',
    stored: 'nf4',
    gated: false,
  }),
  copyOf(qwen7b, {
    id: 'Qwen/Qwen2.5-7B-Instruct',
    from: 'Hugging Face, the official repository',
    revision: 'a09a35458c702b33eeacc393d103063234e8bc28',
    architecture: 'qwen2',
    stored: '16-bit',
    gated: false,
  }),
  copyOf(phi3Mini, {
    id: 'unsloth/Phi-3-mini-4k-instruct-bnb-4bit',
    from: 'Hugging Face, an open copy of Phi-3 mini 4k Instruct in nf4, its projections apart',
    revision: 'main', // no public program was found that names a commit
    architecture: 'mistral', // with Phi-3's format: unslothai/unsloth#420
    stored: 'nf4',
    gated: false,
  }),
  copyOf(phi3Mini, {
    id: 'microsoft/Phi-3-mini-4k-instruct',
    from: 'Hugging Face, the official repository',
    revision: 'f39ac1d28e925b323eae81227eaba4464caced4e',
    architecture: 'phi3',
    stored: '16-bit',
    gated: false,
  }),
  copyOf(gemma7b, {
    id: 'unsloth/gemma-7b-it-bnb-4bit',
    from: 'Hugging Face, an open copy of Gemma 7B it in nf4',
    revision: 'main', // no public program was found that names a commit
    architecture: 'gemma',
    stored: 'nf4',
    gated: false,
  }),
  copyOf(gemma7b, {
    id: 'google/gemma-7b-it',
    from: 'Hugging Face, the official repository',
    revision: '9c5798d27f588501ce1e108079d2a19e4c3a2353',
    architecture: 'gemma',
    stored: '16-bit',
    gated: true,
  }),
]

/** What each engine can train. */
export const catalogue: Readonly<Record<'dry' | 'trl' | 'unsloth', readonly [Base, ...Base[]]>> = {
  trl: language,
  unsloth: language,
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
      targets: [],
      model: null,
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
