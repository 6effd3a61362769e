import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'

/** A notebook to be run on an account's GPU. */
export interface KaggleKernel {
  /** Whose it is: the account's own user name. */
  readonly userName: string
  /** At least five characters, the same for every push of the same session. */
  readonly slug: string
  /** Its slug, made the way Kaggle makes it, must be `slug`. */
  readonly title: string
  /** The text of the `.ipynb` file, with a kernel name in its metadata. */
  readonly notebook: string
  /** `NvidiaTeslaT4` (two of them) on free accounts; no GPU when left out. */
  readonly machineShape?: string
  readonly enableInternet: boolean
  readonly isPrivate: boolean
  /** Kaggle ends the session after this, whatever it does. */
  readonly sessionTimeoutSeconds?: number
  /** `owner/slug` of data sets. */
  readonly datasetSources?: readonly string[]
  /** `owner/slug` of notebooks whose output should lie under `../input`. */
  readonly kernelSources?: readonly string[]
  /** `owner/model/framework/variation/version`. */
  readonly modelSources?: readonly string[]
}

/** The fields of a push, as the official client (kaggle 2.2.4) sends them: unset ones are left out. */
export function pushFields(kernel: KaggleKernel): Record<string, unknown> {
  const list = (name: string, values: readonly string[] | undefined) =>
    values === undefined || values.length === 0 ? {} : { [name]: values }
  const { sessionTimeoutSeconds, machineShape } = kernel
  return {
    slug: `${kernel.userName}/${kernel.slug}`,
    newTitle: kernel.title,
    text: normalizedNotebook(kernel.notebook),
    language: 'python',
    kernelType: 'notebook',
    ...list('datasetDataSources', kernel.datasetSources),
    ...list('kernelDataSources', kernel.kernelSources),
    isPrivate: kernel.isPrivate,
    enableGpu: machineShape !== undefined,
    enableInternet: kernel.enableInternet,
    ...list('modelDataSources', kernel.modelSources),
    enableTpu: false,
    ...(sessionTimeoutSeconds === undefined ? {} : { sessionTimeoutSeconds }),
    ...(machineShape === undefined ? {} : { machineShape }),
  }
}

const Cell = z.looseObject({
  cell_type: z.string(),
  source: z.union([z.string(), z.array(z.string())]).optional(),
  outputs: z.unknown().optional(),
})
const Notebook = z.looseObject({ cells: z.array(Cell) })

/** Without outputs, and each source as one text: a list of lines is answered with a 500. Throws `invalid`. */
export function normalizedNotebook(text: string): string {
  const notebook = Notebook.safeParse(parsed(text))
  if (!notebook.success)
    throw new AppError('invalid', 'what should be pushed to Kaggle is not a notebook', {
      code: 'not_a_notebook',
      cause: notebook.error,
    })
  const cells = notebook.data.cells.map((cell) => ({
    ...cell,
    ...('outputs' in cell && cell.cell_type === 'code' ? { outputs: [] } : {}),
    ...(Array.isArray(cell.source) ? { source: cell.source.join('') } : {}),
  }))
  return JSON.stringify({ ...notebook.data, cells })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not JSON: refused by the schema
  }
}
