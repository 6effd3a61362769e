import type { Recipe } from './recipe.ts'

/** Kaggle's `kernel-metadata.json` beside a notebook. */
export interface KernelMetadata {
  readonly id: string
  readonly title: string
  readonly code_file: string
  readonly language: 'python'
  readonly kernel_type: 'notebook'
  readonly is_private: true
  readonly enable_gpu: true
  readonly enable_tpu: false
  readonly enable_internet: true
  readonly machine_shape: 'NvidiaTeslaT4'
  readonly dataset_sources: readonly string[]
  readonly competition_sources: readonly string[]
  readonly kernel_sources: readonly string[]
  readonly model_sources: readonly string[]
}

/**
 * The metadata with which Kaggle takes the notebook as a private one with internet and GPU. The title
 * is the slug, since a title that makes another slug moves the notebook. The engine `dry` asks for a
 * GPU too: its hours are booked as GPU hours, and the rehearsal is of that.
 */
export const kernelMetadata = (
  recipe: Pick<Recipe, 'name'>,
  owner: string,
  codeFile: string,
  datasets: readonly string[] = [],
): KernelMetadata => ({
  id: `${owner}/${recipe.name}`,
  title: recipe.name,
  code_file: codeFile,
  language: 'python',
  kernel_type: 'notebook',
  is_private: true,
  enable_gpu: true,
  enable_tpu: false,
  enable_internet: true,
  machine_shape: 'NvidiaTeslaT4',
  dataset_sources: datasets,
  competition_sources: [],
  kernel_sources: [],
  model_sources: [],
})
