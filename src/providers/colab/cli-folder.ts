import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Follower } from './cli-process.ts'

const Noted = z.object({
  pid: z.number().int(),
  processStartedAt: z.string().nullable(),
  at: z.iso.datetime(),
})
const Ending = z.object({ code: z.number().int() })
const Endpoints = z.array(z.string())

export type NotedFollower = z.infer<typeof Noted>

/** What is remembered of the sessions of the command line: a folder for each, written so that a death at any moment is seen. */
export function cliFolders(root: string) {
  const file = (name: string, what: string) => join(root, name, what)
  const put = (path: string, value: unknown): void => {
    writeFileSync(`${path}.part`, JSON.stringify(value), { mode: 0o600 })
    renameSync(`${path}.part`, path)
  }
  const read = <T>(path: string, schema: z.ZodType<T>): T | undefined => {
    try {
      return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
    } catch {
      return undefined // not written yet
    }
  }
  return {
    names: (): string[] => (existsSync(root) ? readdirSync(root) : []),
    isThere: (name: string): boolean => existsSync(join(root, name)),
    scriptPath: (name: string) => file(name, 'script.py'),
    logPath: (name: string) => file(name, 'output.log'),
    exitPath: (name: string) => file(name, 'exit.json'),
    /** Makes room for a launch; what an earlier one of that name left is gone, but for the machines that it had found. */
    prepare(name: string, script: string): void {
      mkdirSync(join(root, name), { recursive: true, mode: 0o700 })
      for (const what of ['process.json', 'exit.json', 'machine.json', 'output.log'])
        rmSync(file(name, what), { force: true })
      writeFileSync(file(name, 'script.py'), script, { mode: 0o600 })
    },
    remove: (name: string) => rmSync(join(root, name), { recursive: true, force: true }),
    follower: (name: string) => read(file(name, 'process.json'), Noted),
    noteFollower: (name: string, follower: Follower, at: Date) =>
      put(file(name, 'process.json'), { ...follower, at: at.toISOString() }),
    /** The exit status of the follower; undefined while it runs, and when it was killed. */
    exitCode: (name: string) => read(file(name, 'exit.json'), Ending)?.code,
    /** The machine of that session, once it was seen. */
    machine: (name: string) => read(file(name, 'machine.json'), z.string()),
    noteMachine: (name: string, endpoint: string) => put(file(name, 'machine.json'), endpoint),
    /** The machines that were there before the last launch of that name. */
    before: (name: string) => read(file(name, 'before.json'), Endpoints),
    noteBefore(name: string, endpoints: readonly string[]): void {
      mkdirSync(join(root, name), { recursive: true, mode: 0o700 })
      put(file(name, 'before.json'), endpoints)
    },
    /** The first so many bytes of what was printed, or the last. */
    printed(name: string, from: 'head' | 'tail', bytes: number): string {
      const path = file(name, 'output.log')
      if (!existsSync(path)) return ''
      const { size } = statSync(path)
      const length = Math.min(size, bytes)
      const opened = openSync(path, 'r')
      try {
        const buffer = Buffer.alloc(length)
        const count = readSync(opened, buffer, 0, length, from === 'head' ? 0 : size - length)
        return buffer.subarray(0, count).toString('utf8')
      } finally {
        closeSync(opened)
      }
    },
  }
}

export type CliFolders = ReturnType<typeof cliFolders>
