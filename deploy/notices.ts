import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Locked {
  readonly version?: string
  readonly license?: string
  readonly dev?: boolean
  readonly optional?: boolean
}

/** The licences of every library that an artifact may hold code of, as their authors ask. */
export function notices(root: string): string {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, Locked>>
  }
  const libraries = Object.entries(packages).filter(
    ([path, { dev }]) => path !== '' && !dev && existsSync(join(root, path)),
  )
  const parts = libraries.map(([path, { version, license }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    const texts = readdirSync(join(root, path))
      .filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
      .toSorted()
      .map((file) => readFileSync(join(root, path, file), 'utf8').trim())
    const said = texts.length > 0 ? texts : ['(its package holds no text of it)']
    return `${name} ${version}: ${license ?? 'licence not named'}\n\n${said.join('\n\n')}\n`
  })
  return `Rodízio holds code of these libraries. Node's own licence stands in runtime/LICENSE.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`
}
