import { readdirSync, readFileSync } from 'node:fs'
import { type Templates, templateFolders } from '../notebooks/templates.ts'

/**
 * Reads every template below `root`, a folder's URL that ends in a slash, once: small texts that do
 * not change while the service runs. Throws the system's own error when a folder is not there.
 */
export function loadTemplates(root: URL): Templates {
  const found = new Map<string, string>()
  for (const folder of templateFolders) {
    const names = readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
    for (const name of names.toSorted()) {
      if (!/\.(?:py|md)$/.test(name)) continue
      const path = `${folder}/${name.replaceAll('\\', '/')}`
      found.set(path, readFileSync(new URL(path, root), 'utf8'))
    }
  }
  return found
}
