import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a running service leaves for the commands on the same machine. */
export interface ServiceFile {
  readonly pid: number
  readonly url: string
  /** Where it is reached from elsewhere; null while it is not. */
  readonly publicUrl: string | null
  readonly startedAt: string
}

export const serviceFilePath = (dataDir: string): string => join(dataDir, 'service.json')
export const tokenPath = (dataDir: string): string => join(dataDir, 'token')

/** What the last service left, or undefined where none did; a dead service's file may still stand. */
export function readServiceFile(dataDir: string): ServiceFile | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(serviceFilePath(dataDir), 'utf8'))
    if (typeof read !== 'object' || read === null) return undefined
    if (!('pid' in read) || !('url' in read) || !('startedAt' in read)) return undefined
    const publicUrl = 'publicUrl' in read && read.publicUrl !== null ? String(read.publicUrl) : null
    const { pid, url, startedAt } = read
    return { pid: Number(pid), url: String(url), publicUrl, startedAt: String(startedAt) }
  } catch {
    return undefined // no service has run here, or the file was being written when its writer died
  }
}

/** The admin token of the service on this machine, undefined where none has started yet. */
export function readToken(dataDir: string): string | undefined {
  const file = tokenPath(dataDir)
  if (!existsSync(file)) return undefined
  const token = readFileSync(file, 'utf8').trim()
  return token === '' ? undefined : token
}
