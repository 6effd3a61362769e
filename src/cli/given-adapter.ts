import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { AdapterFacts, AdapterSource } from '../notebooks/adapter.ts'
import type { NotebookProvider } from '../notebooks/notebook-provider.ts'
import { misuse } from './notebook-flags.ts'
import { readAdapterFiles, readAdapterFolder, readManifestFile } from './read-adapter.ts'

/** What the flags say of an adapter, and what these flags are called. */
export interface AdapterFlags {
  readonly dir: string | undefined
  readonly files: string | undefined
  readonly manifest: string | undefined
  readonly names: { readonly dir: string; readonly files: string; readonly manifest: string }
  readonly command: string // whose --help shows an example
}

/** An adapter that a notebook is to find, known by its manifest's hash. */
export interface GivenAdapter {
  readonly source: AdapterSource
  readonly sha256: string
  readonly facts: AdapterFacts | null
}

/**
 * The adapter that the flags name, for a notebook at the provider.
 * @throws AppError `invalid` or `not-found` that names the flag or the file, and what to do
 */
export function givenAdapter(flags: AdapterFlags, provider: NotebookProvider): GivenAdapter {
  const { dir, files: list, manifest, names } = flags
  if ((dir === undefined) === (list === undefined)) {
    throw misuse(
      `either ${names.dir} or ${names.files} is needed, and not both`,
      `${flags.command} --help shows an example of each`,
    )
  }
  const read = manifest === undefined ? undefined : readManifestFile(manifest)
  if (list !== undefined) {
    const files = readAdapterFiles(list)
    const sha256 = files.find(({ name }) => name === 'manifest.json')?.sha256 ?? ''
    if (read && read.sha256 !== sha256) {
      throw misuse(
        `${manifest} is not the manifest.json of ${list}: their hashes differ`,
        'Name the manifest of the same adapter',
      )
    }
    return { source: { kind: 'files', files }, sha256, facts: read?.facts ?? null }
  }
  const known = adapterIn(dir ?? '', flags, provider, read)
  const path = pathAt(
    provider,
    dir ?? '',
    names.dir,
    `, and the manifest here with ${names.manifest}`,
  )
  return { source: { kind: 'folder', path }, sha256: known.sha256, facts: known.facts }
}

/**
 * The path as the machine of the notebook calls it: on this one whole, elsewhere from its root.
 * @throws AppError `invalid` for another
 */
export function pathAt(provider: NotebookProvider, path: string, flag: string, also = ''): string {
  if (provider === 'local') return resolve(path)
  if (path.startsWith('/')) return path
  throw misuse(
    `${flag}: ${path} is no path at ${provider}`,
    `Name it as it is called there, from its root, such as ${provider === 'kaggle' ? '/kaggle/input/NAME' : '/content/NAME'}${also}`,
  )
}

/** A folder that is here is read whole; of one elsewhere the manifest must be at hand. */
function adapterIn(
  folder: string,
  { names }: AdapterFlags,
  provider: NotebookProvider,
  read: ReturnType<typeof readManifestFile> | undefined,
): ReturnType<typeof readManifestFile> {
  const isHere = provider === 'local' || existsSync(join(folder, 'manifest.json'))
  if (!isHere && read) return read
  if (!isHere) {
    // A path that cannot be is the first thing to say.
    pathAt(provider, folder, names.dir, `, and the manifest here with ${names.manifest}`)
    throw misuse(
      `${folder} is not on this machine, so its adapter is not known`,
      `Name its manifest.json with ${names.manifest}`,
    )
  }
  const found = readAdapterFolder(folder)
  if (read && read.sha256 !== found.sha256) {
    throw misuse(
      `${names.manifest} is not the manifest.json of ${folder}: their hashes differ`,
      `Leave ${names.manifest} out: the folder has its own`,
    )
  }
  return found
}
