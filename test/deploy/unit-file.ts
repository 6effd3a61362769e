import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from './artifact.ts'

/** What the service's own unit says: the last value of a key, and its environment. */
export function unitFile() {
  const text = readFileSync(join(projectRoot, 'deploy/vm/rodizio.service'), 'utf8')
  const all = (key: string) =>
    [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value ?? '')
  const last = (key: string): string => {
    const value = all(key).at(-1)
    if (value === undefined) throw new Error(`the unit has no ${key}`)
    return value
  }
  return {
    last,
    environment: Object.fromEntries(
      all('Environment').map((line) => {
        const at = line.indexOf('=')
        return [line.slice(0, at), line.slice(at + 1)]
      }),
    ),
    /** A size such as 500M in bytes, as systemd reads it: powers of 1024. */
    bytes: (key: string): number => {
      const [, number, unit] = /^(\d+)([KMG])$/.exec(last(key)) ?? []
      if (number === undefined || unit === undefined) throw new Error(`${key} is no size`)
      return Number(number) * 1024 ** ('KMG'.indexOf(unit) + 1)
    },
  }
}
