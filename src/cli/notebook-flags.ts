import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, messageOf, systemCode } from '../lib/errors.ts'
import { renderNotebook } from '../notebooks/generate.ts'
import { kernelMetadata } from '../notebooks/kernel-metadata.ts'
import { NotebookProvider } from '../notebooks/notebook-provider.ts'
import type { Recipe } from '../notebooks/recipe.ts'
import { mostSeconds } from '../notebooks/serving-time.ts'
import type { Context } from './context.ts'

/** A flag that cannot be taken, as an error for a person. */
export const misuse = (message: string, next: string): AppError =>
  new AppError('invalid', message, { next })

/** @throws AppError `invalid` that names the providers */
export function providerOf(name: string): NotebookProvider {
  const known = NotebookProvider.safeParse(name)
  if (known.success) return known.data
  throw misuse(`--provider: there is no provider ${name}`, 'One of: kaggle, colab, local')
}

/**
 * The seconds of `--hours`, or `usual` without it.
 * @throws AppError `invalid` where the provider would end the session before
 */
export function secondsOf(
  hours: string | undefined,
  provider: NotebookProvider,
  usual: number,
): number {
  if (hours === undefined) return usual
  const seconds = Math.round(Number(hours) * 3600)
  if (seconds >= 60 && seconds <= mostSeconds[provider]) return seconds
  const most = mostSeconds[provider] / 3600
  throw misuse(
    `--hours: ${hours} is not from a minute to ${most} hours`,
    provider === 'local'
      ? 'Choose a number in between, such as 0.5'
      : `Choose a number in between: ${provider} ends longer sessions without a word`,
  )
}

/** Where a notebook is written, and what stands beside it for Kaggle. */
export interface Target {
  readonly folder: string
  /** Whose `kernel-metadata.json` is written; KAGGLE_USERNAME when undefined. */
  readonly user: string | undefined
  readonly datasets: readonly string[]
}

/**
 * Writes the recipe's notebook, and for Kaggle the metadata where its account is known; gives the paths, and what else a
 * person should be told.
 * @throws AppError `unavailable` when the folder cannot be written
 */
export async function writeNotebook(
  recipe: Recipe,
  target: Target,
  context: Context,
): Promise<{ readonly paths: string[]; readonly told: string[] }> {
  const { loadTemplates } = await import('../app.ts')
  const text = renderNotebook(recipe, loadTemplates(new URL('templates/', context.root)))
  const files = [{ name: 'notebook.ipynb', text }]
  const user = target.user ?? context.config().KAGGLE_USERNAME
  const isKaggle = recipe.provider === 'kaggle'
  if (isKaggle && user !== undefined) {
    const metadata = kernelMetadata(recipe, user, 'notebook.ipynb', target.datasets)
    files.push({ name: 'kernel-metadata.json', text: `${JSON.stringify(metadata, null, 2)}\n` })
  }
  write(target.folder, files)
  return {
    paths: files.map(({ name }) => join(target.folder, name)),
    told:
      isKaggle && user === undefined
        ? ['No kernel-metadata.json was written: name the account at Kaggle with --kaggle-user.']
        : [],
  }
}

function write(folder: string, files: readonly { name: string; text: string }[]): void {
  try {
    mkdirSync(folder, { recursive: true })
    for (const { name, text } of files) writeFileSync(join(folder, name), text)
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause
    throw new AppError('unavailable', `cannot write to ${folder}: ${messageOf(cause)}`, {
      next: 'Name another folder with --to',
      cause,
    })
  }
}
