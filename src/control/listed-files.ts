import type { ArtifactStore } from '../artifacts/artifact-store.ts'
import { type FileEntry, Manifest } from '../artifacts/checkpoint.ts'
import { sha256Hex } from '../lib/random.ts'

const manifestMaxBytes = 1024 * 1024

/** All files of a folder in the store as its manifest lists them, itself first; undefined when that is not whole. */
export async function listedFiles(
  artifacts: ArtifactStore,
  prefix: string,
  manifestSha256: string,
): Promise<FileEntry[] | undefined> {
  const listed = await listedManifest(artifacts, prefix, manifestSha256)
  if (!listed) return undefined
  const { manifest, bytes } = listed
  return [{ name: 'manifest.json', bytes, sha256: manifestSha256 }, ...manifest.files]
}

/** The manifest of a folder in the store, its text and its size; undefined when it is not whole. */
export async function listedManifest(
  artifacts: ArtifactStore,
  prefix: string,
  manifestSha256: string,
): Promise<
  { readonly manifest: Manifest; readonly text: string; readonly bytes: number } | undefined
> {
  const text = await manifestText(artifacts, prefix, manifestSha256)
  if (text === undefined) return undefined
  const manifest = Manifest.safeParse(JSON.parse(text))
  if (!manifest.success) return undefined
  return { manifest: manifest.data, text, bytes: Buffer.byteLength(text) }
}

async function manifestText(
  artifacts: ArtifactStore,
  prefix: string,
  sha256: string,
): Promise<string | undefined> {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of await artifacts.read(`${prefix}/manifest.json`)) {
      size += part.byteLength
      if (size > manifestMaxBytes) return undefined
      parts.push(part)
    }
  } catch {
    return undefined // gone or unreadable: damaged either way, which is what the caller asks
  }
  const text = Buffer.concat(parts).toString('utf8')
  return sha256Hex(text) === sha256 ? text : undefined
}
